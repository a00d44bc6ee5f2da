import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

describe('bodies stay what they are', () => {
  test.each<[string, string, unknown]>([
    [
      'a Blob after its bytes were read, changed and moved',
      `const blob = new Blob(['abc']); const bytes = await new Response(blob).bytes(); bytes[0] = 120; bytes.buffer.transfer();
       await new Response(blob).body.getReader({ mode: 'byob' }).read(new Uint8Array(8)); return [blob.size, await blob.text()]`,
      [3, 'abc'],
    ],
    [
      'chunks of a clone',
      `const chunk = new Int8Array([1, 2]); const r = new Response(new ReadableStream({ start(c) { c.enqueue(chunk); c.close() } }));
       const c = r.clone(); const [a, b] = [(await r.body.getReader().read()).value, (await c.body.getReader().read()).value];
       b[0] = 9; return [a === chunk, a[0], b[0], b.constructor === Int8Array]`,
      [true, 1, 9, true],
    ],
    [
      'the body of a request that went into another',
      `const a = new Request('https://a/', { method: 'POST', body: 'x' }); const { body } = a; const b = new Request(a);
       return [a.body === body, b.body !== body, a.bodyUsed, body.locked, await b.text()]`,
      [true, true, true, true, 'x'],
    ],
    [
      'what a request takes over as a stream is not read ahead',
      `let pulls = 0; const stream = new ReadableStream({ pull(c) { pulls++; c.enqueue(new Uint8Array(1)) } }, { highWaterMark: 0 });
       const b = new Request(new Request('https://a/', { method: 'POST', body: stream, duplex: 'half' }));
       await new Promise((done) => setTimeout(done, 5)); return [pulls <= 2, b.bodyUsed]`,
      [true, false],
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(code)).toEqual(expected);
  });
});

describe('members of a Request', () => {
  test.each<[string, string, unknown]>([
    [
      'are kept',
      `{ mode: 'same-origin', cache: 'only-if-cached', referrer: 'https://r/x', referrerPolicy: 'origin', keepalive: 1 }`,
      ['same-origin', 'only-if-cached', 'https://r/x', 'origin', true],
    ],
    ['have defaults', `{ duplex: 'half', priority: 'low' }`, ['cors', 'default', 'about:client', '', false]],
    [
      'go on to the next',
      `new Request('https://a/', { mode: 'no-cors', referrer: '' })`,
      ['no-cors', 'default', '', '', false],
    ],
  ])('%s', async (_, init, expected) => {
    const code = `const init = ${init}; const r = init instanceof Request ? new Request(init) : new Request('https://a/', init); return [r.mode, r.cache, r.referrer, r.referrerPolicy, r.keepalive]`;
    expect(await run(code)).toEqual(expected);
  });

  test.each([
    [`{ cache: 'x' }`],
    [`{ credentials: 'x' }`],
    [`{ duplex: 'full' }`],
    [`{ mode: 'navigate' }`],
    [`{ mode: 'no-cors', method: 'PUT' }`],
    [`{ cache: 'only-if-cached' }`],
    [`{ priority: 'x' }`],
    [`{ referrer: 'not absolute' }`],
    [`{ referrerPolicy: 'x' }`],
  ])('%s is refused', async (init) => {
    expect(await run(`try { new Request('https://a/', ${init}); return 'made' } catch (e) { return e.name }`)).toBe(
      'TypeError',
    );
  });
});

describe('Headers', () => {
  test.each<[string, string, unknown]>([
    [
      'a record is converted before the first of it is checked',
      `const seen = []; const record = { get ' bad'() { seen.push(1); return 'a' }, get b() { seen.push(2); return 'b' } };
       try { new Headers(record) } catch (e) { return [e.name, seen] }`,
      ['TypeError', [1, 2]],
    ],
    [
      'a symbol is no name',
      `try { new Headers({ [Symbol.iterator]: undefined, [Symbol('x')]: 'y' }) } catch (e) { return e.name }`,
      'TypeError',
    ],
    [
      'above U+00FF',
      `return ['\\u0100', 'a'].map((v) => { try { new Headers().set('a', v); return 'set' } catch (e) { return e.name } })`,
      ['TypeError', 'set'],
    ],
    [
      'the members of its iterators show',
      `return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(new Headers().keys()), 'next').enumerable`,
      true,
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(code)).toEqual(expected);
  });
});

test('an empty body is no multipart form', async () => {
  const code = `const r = new Response('', { headers: { 'content-type': 'multipart/form-data; boundary=x' } }); return r.formData().catch((e) => e.name)`;
  expect(await run(code)).toBe('TypeError');
});

test('classes have their names before their globals are touched', async () => {
  const code = `const form = await new Response(new URLSearchParams('a=1')).formData(); const clone = structuredClone(new Blob(['x']));
    return [form.constructor.name, clone.constructor.name, (await new Response('x').blob()).constructor.name]`;
  expect(await run(code)).toEqual(['FormData', 'Blob', 'Blob']);
});

test('performance is an EventTarget', async () => {
  const code = `let heard = 0; performance.addEventListener('x', () => heard++); performance.dispatchEvent(new Event('x'));
    return [performance instanceof EventTarget, heard, performance.toJSON().timeOrigin === performance.timeOrigin, performance.now() >= 0]`;
  expect(await run(code)).toEqual([true, 1, true, true]);
});
