import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run, tell } = isolates;

test.each<[string, string, unknown]>([
  [
    'the global object is an EventTarget, with or without its name',
    `const seen = []; const f = (e) => seen.push(e.type, e.target === globalThis, e.currentTarget === globalThis);
     globalThis.addEventListener('x', f); (0, addEventListener)('y', function () { seen.push(this === globalThis) });
     dispatchEvent(new Event('x')); dispatchEvent(new Event('y')); removeEventListener('x', f); dispatchEvent(new Event('x'));
     return [globalThis instanceof EventTarget, seen]`,
    [true, ['x', true, true, true]],
  ],
  [
    'onerror gets the parts of the event',
    `let got; onerror = (...args) => { got = args; return true }; const e = new RangeError('x'); reportError(e);
     return [got[0], typeof got[1], got[2] > 0, got[3] > 0, got[4] === e]`,
    ['Uncaught RangeError: x', 'string', true, true, true],
  ],
  [
    'handlers of the global object',
    `const first = [onerror, onunhandledrejection, onrejectionhandled]; const f = () => {}; onunhandledrejection = f; const got = onunhandledrejection === f; onunhandledrejection = 5; return [first, got, onunhandledrejection]`,
    [[null, null, null], true, null],
  ],
  [
    'ErrorEvent',
    `const e = new ErrorEvent('error', { message: 'm', filename: 'f', lineno: 1, colno: -1, error: 7 }); const none = new ErrorEvent('x');
     return [e.message, e.filename, e.lineno, e.colno, e.error, e instanceof Event, String(e), none.message, none.error === undefined]`,
    ['m', 'f', 1, 4294967295, 7, true, '[object ErrorEvent]', '', true],
  ],
  [
    'PromiseRejectionEvent',
    `const promise = Promise.resolve(); const e = new PromiseRejectionEvent('unhandledrejection', { promise, reason: 1 });
     const refused = [undefined, {}, { promise: 5 }].map((init) => { try { new PromiseRejectionEvent('x', init) } catch (e) { return e.name } });
     return [e.promise === promise, e.reason, refused]`,
    [true, 1, ['TypeError', 'TypeError', 'TypeError']],
  ],
  [
    'a rejection that nobody handled',
    `const seen = []; const { rejections } = __test.web; const before = rejections.listens();
     addEventListener('unhandledrejection', (e) => { seen.push(e.type, e.reason, e.promise instanceof Promise, e.cancelable); e.preventDefault() });
     return [before, rejections.listens(), rejections.tell('why'), seen]`,
    [false, true, true, ['unhandledrejection', 'why', true, true]],
  ],
])('%s', async (_, code, expected) => {
  expect(await run(code)).toEqual(expected);
});

test('errors go to the host unless a listener took care of them', async () => {
  const code = `
    const calm = (e) => e.preventDefault();
    reportError(new Error('nobody'));
    addEventListener('error', () => {});
    reportError(new Error('only heard'));
    addEventListener('error', calm);
    reportError(new Error('taken'));
    setTimeout(() => { throw new Error('of a timer') });
    queueMicrotask(() => { throw new Error('of a microtask') });
    await new Promise((done) => setTimeout(done, 2));
    removeEventListener('error', calm);
    reportError(null);`;
  expect((await tell(code)).errors).toEqual(['Error: nobody', 'Error: only heard', 'null']);
});

test('an error of a listener is not told to listeners', async () => {
  const code = `let calls = 0; addEventListener('error', () => { calls++; throw new Error('of the listener') }); reportError(new Error('first')); return calls`;
  const { value, errors } = await tell(code);
  expect([value, errors]).toEqual([1, ['Error: of the listener', 'Error: first']]);
});

test.each([
  [
    'patched methods',
    `for (const key of ['addEventListener', 'dispatchEvent']) EventTarget.prototype[key] = () => { throw new Error('patched') }`,
  ],
  [
    'a patched Event',
    `Object.defineProperty(Event.prototype, 'defaultPrevented', { get() { throw new Error('patched') } }); globalThis.ErrorEvent = null`,
  ],
  [
    'an error that cannot be shown',
    `globalThis.evil = { toString() { throw new Error('patched') }, get stack() { throw new Error('patched') } }`,
  ],
])('%s: the host is told', async (_, patch) => {
  const code = `addEventListener('error', () => {}); ${patch}; setTimeout(() => { throw globalThis.evil ? Object.assign(new Error('told'), { message: 'told' }) : new Error('told') }); await new Promise((done) => setTimeout(done, 2))`;
  expect((await tell(code)).errors).toContain('Error: told');
});
