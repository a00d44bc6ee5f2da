import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run, tell } = isolates;

describe('EventTarget', () => {
  test.each<[string, string, unknown]>([
    [
      'order, once and duplicates',
      `(t => { const seen = []; const f = () => seen.push('f'); t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', () => seen.push('once'), { once: true }); t.addEventListener('x', () => seen.push('capture'), true); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      ['capture', 'f', 'once', 'capture', 'f'],
    ],
    [
      'objects with handleEvent',
      `(t => { const seen = []; const o = { handleEvent(e) { seen.push(this === o, e.type) } }; t.addEventListener('x', o); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      [true, 'x'],
    ],
    [
      'removal while it is dispatched',
      `(t => { const seen = []; const b = () => seen.push('b'); t.addEventListener('x', () => { seen.push('a'); t.removeEventListener('x', b) }); t.addEventListener('x', b); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      ['a'],
    ],
    [
      'added ones wait for the next event',
      `(t => { const seen = []; t.addEventListener('x', () => t.addEventListener('x', () => seen.push('late'))); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      [],
    ],
    [
      'stopImmediatePropagation',
      `(t => { const seen = []; t.addEventListener('x', e => { seen.push(1); e.stopImmediatePropagation() }); t.addEventListener('x', () => seen.push(2)); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      [1],
    ],
    [
      'preventDefault',
      `(t => { t.addEventListener('x', e => e.preventDefault()); return [t.dispatchEvent(new Event('x')), t.dispatchEvent(new Event('x', { cancelable: true }))] })(new EventTarget())`,
      [true, false],
    ],
    [
      'passive listeners cannot prevent',
      `(t => { t.addEventListener('x', e => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event('x', { cancelable: true })) })(new EventTarget())`,
      true,
    ],
    [
      'targets and phases',
      `(t => { let seen; t.addEventListener('x', e => { seen = [e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath().length, e.isTrusted] }); const e = new Event('x'); t.dispatchEvent(e); return [seen, e.target === t, e.currentTarget, e.eventPhase] })(new EventTarget())`,
      [[true, true, 2, 1, false], true, null, 0],
    ],
    [
      'a signal takes the listener away',
      `(t => { const c = new AbortController(); let n = 0; t.addEventListener('x', () => n++, { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return n })(new EventTarget())`,
      1,
    ],
    [
      'a capturing listener keeps it from the others',
      `(t => { const seen = []; t.addEventListener('x', () => seen.push('late')); t.addEventListener('x', e => { seen.push('first'); e.stopPropagation() }, true); t.dispatchEvent(new Event('x')); return seen })(new EventTarget())`,
      ['first'],
    ],
    [
      'what the platform dispatches is trusted, and a guest cannot say so',
      `await (async () => { const c = new AbortController(); let seen; c.signal.addEventListener('abort', e => { seen = e }); c.abort(); const own = new Event('x'); try { Object.defineProperty(own, 'isTrusted', { value: true }) } catch {} const first = seen.isTrusted; new EventTarget().dispatchEvent(seen); return [first, seen.isTrusted, own.isTrusted, Object.keys(own)] })()`,
      [true, false, false, ['isTrusted']],
    ],
    [
      'initEvent sets an event up again, but not while it is dispatched',
      `(t => { const e = new Event('a'); e.initEvent('x', true, true); const before = [e.type, e.bubbles, e.cancelable]; t.addEventListener('x', () => e.initEvent('y')); t.dispatchEvent(e); const c = new CustomEvent('c'); c.initCustomEvent('d', false, false, 3); return [before, e.type, c.type, c.detail] })(new EventTarget())`,
      [['x', true, true], 'x', 'd', 3],
    ],
    [
      'CustomEvent',
      `[new CustomEvent('x', { detail: { a: 1 } }).detail, new CustomEvent('x').detail, new CustomEvent('x') instanceof Event]`,
      [{ a: 1 }, null, true],
    ],
    [
      'subclasses',
      `(() => { class T extends EventTarget {} let n = 0; const t = new T(); t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n })()`,
      1,
    ],
    [
      'an event under way cannot be dispatched again',
      `(t => { let name; t.addEventListener('x', e => { try { t.dispatchEvent(e) } catch (error) { name = error.name } }); t.dispatchEvent(new Event('x')); return name })(new EventTarget())`,
      'InvalidStateError',
    ],
    [
      'what is no event is refused',
      `(() => { try { new EventTarget().dispatchEvent({ type: 'x' }) } catch (e) { return e.name } })()`,
      'TypeError',
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });

  test('what a listener throws goes to the host, the others still run', async () => {
    const { value, errors } = await tell(`const t = new EventTarget(); let n = 0;
      t.addEventListener('x', () => { throw new Error('one') }); t.addEventListener('x', () => n++);
      t.dispatchEvent(new Event('x')); return n`);
    expect([value, errors]).toEqual([1, ['Error: one']]);
  });
});

describe('AbortSignal', () => {
  test.each<[string, string, unknown]>([
    [
      'abort',
      `(c => { let n = 0; c.signal.onabort = () => n++; c.signal.addEventListener('abort', e => { n += e.type === 'abort' ? 10 : 0 }); c.abort(); c.abort(); return [n, c.signal.aborted, c.signal.reason.name, c.signal.reason.code, c.signal.onabort !== null] })(new AbortController())`,
      [11, true, 'AbortError', 20, true],
    ],
    [
      'reasons',
      `(c => { c.abort('why'); try { c.signal.throwIfAborted() } catch (e) { return [e, AbortSignal.abort(1).reason, new AbortController().signal.throwIfAborted()] } })(new AbortController())`,
      ['why', 1, null],
    ],
    [
      'timeout',
      `await (async () => { const s = AbortSignal.timeout(50); await new Promise(r => s.addEventListener('abort', r)); return [performance.now(), s.reason.name, s.reason instanceof DOMException] })()`,
      [50, 'TimeoutError', true],
    ],
    [
      'timeouts that are no time',
      `[-1, NaN, Infinity, 2 ** 53].map(ms => { try { AbortSignal.timeout(ms) } catch (e) { return e.name } })`,
      Array(4).fill('TypeError'),
    ],
    [
      'any',
      `(() => { const a = new AbortController(); const b = new AbortController(); const any = AbortSignal.any([a.signal, b.signal]); const outer = AbortSignal.any([any]); const seen = []; any.onabort = () => seen.push(any.aborted, outer.aborted); b.abort(2); a.abort(1); return [seen, any.reason, outer.reason, AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort(3), a.signal]).reason] })()`,
      [[true, true], 2, 2, false, 3],
    ],
    [
      'onabort keeps its place',
      `(c => { const seen = []; c.signal.onabort = () => seen.push('first'); c.signal.addEventListener('abort', () => seen.push('second')); c.signal.onabort = () => seen.push('changed'); c.abort(); return seen })(new AbortController())`,
      ['changed', 'second'],
    ],
    ['not to be made by hand', `(() => { try { new AbortSignal() } catch (e) { return e.name } })()`, 'TypeError'],
    [
      'a listener whose signal is aborted is not added',
      `(t => { let n = 0; t.addEventListener('x', () => n++, { signal: AbortSignal.abort() }); t.dispatchEvent(new Event('x')); return n })(new EventTarget())`,
      0,
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });

  test('signals that follow a long-lived one are let go', async () => {
    const code = `const lasting = new AbortController(); let calls = 0;
      for (let i = 0; i < 60000; i++) { const any = AbortSignal.any([lasting.signal]); if (i === 7) any.addEventListener('abort', () => calls++); if (i % 2000 === 0) await new Promise(done => setTimeout(done)) }
      lasting.abort(); return calls`;
    expect(await run(code, { memoryLimit: 16 })).toBe(1);
  });
});
