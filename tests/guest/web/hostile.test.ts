import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run, tell } = isolates;

/** What a guest may do to the language; each is followed by the whole way of a request (ADVERSARY 16). */
const PATCHES: Readonly<Record<string, string>> = {
  JSON: `JSON.parse = JSON.stringify = () => { throw new Error('patched') }; globalThis.JSON = null`,
  Promise: `Promise.prototype.then = Promise.resolve = Promise.reject = () => { throw new Error('patched') }; globalThis.Promise = null`,
  'Promise.prototype.constructor': `Promise.prototype.constructor = function () { throw new Error('patched') }`,
  Array: `for (const key of Reflect.ownKeys(Array.prototype)) if (key !== 'length' && key !== 'constructor') Array.prototype[key] = () => { throw new Error('patched') }; Array.isArray = null`,
  'indexes of Array.prototype': `for (let i = 0; i < 3; i++) Object.defineProperty(Array.prototype, i, { set() { throw new Error('patched') }, get() { return ['x', 'y'] } })`,
  String: `for (const key of Reflect.ownKeys(String.prototype)) if (key !== 'length' && key !== 'constructor') String.prototype[key] = () => { throw new Error('patched') }`,
  Function: `Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw new Error('patched') }`,
  Reflect: `for (const key of Object.keys(Object.getOwnPropertyDescriptors(Reflect))) if (typeof Reflect[key] === 'function') Reflect[key] = () => { throw new Error('patched') }`,
  Object: `Object.prototype.toString = Object.prototype.hasOwnProperty = () => { throw new Error('patched') }; for (const key of ['defineProperty', 'keys', 'create', 'hasOwn', 'getPrototypeOf']) Object[key] = () => { throw new Error('patched') }`,
  'Object.prototype setters': `for (const key of ['text', 'bytes', 'stream', 'used', 'status', 'url', 'kind', 'list', 'headers', 'signal', 'payload', 'get', 'set', 'value', 'due', 'run']) Object.defineProperty(Object.prototype, key, { __proto__: null, set() { throw new Error('patched') }, configurable: true })`,
  Map: `for (const key of ['get', 'set', 'delete', 'has']) Map.prototype[key] = () => { throw new Error('patched') }; globalThis.Map = globalThis.Set = null`,
  'typed arrays': `for (const key of ['set', 'subarray', 'slice']) Uint8Array.prototype[key] = Object.getPrototypeOf(Uint8Array.prototype)[key] = () => { throw new Error('patched') }; globalThis.Uint8Array = null`,
  Request: `for (const key of Object.getOwnPropertyNames(Request.prototype)) Object.defineProperty(Request.prototype, key, { get() { throw new Error('patched') } }); globalThis.Request = null`,
  Response: `for (const key of ['status', 'headers', 'body', 'clone']) Object.defineProperty(Response.prototype, key, { get() { throw new Error('patched') } })`,
  Headers: `for (const key of ['get', 'set', 'append', 'entries']) Headers.prototype[key] = () => { throw new Error('patched') }; globalThis.Headers = null`,
  AbortSignal: `for (const key of ['addEventListener', 'dispatchEvent']) EventTarget.prototype[key] = () => { throw new Error('patched') }; Object.defineProperty(AbortSignal.prototype, 'aborted', { get() { throw new Error('patched') } })`,
  instanceof: `for (const C of [Response, Request, Headers, AbortSignal]) Object.defineProperty(C, Symbol.hasInstance, { value: () => { throw new Error('patched') } })`,
  globals: `for (const name of ['setTimeout', 'clearTimeout', 'queueMicrotask', 'URL', 'TextEncoder', 'TextDecoder', 'ReadableStream', 'AbortController', 'DOMException', 'console']) globalThis[name] = () => { throw new Error('patched') }`,
};

/** The whole way of a request, a timer and an abort; its values are joined without a method of the language. */
const way = (patch: string): string => `
  const { http, timers, abort, latin1 } = __test.web;
  const Answer = Response;
  const { json } = Response;
  const later = setTimeout;
  const cancel = clearTimeout;
  const controller = new AbortController();
  const signal = controller.signal;
  const bytes = new Uint8Array([1, 255]);
  ${patch};
  const head = { method: 'POST', url: 'https://h/', headers: 'a:b\\n' };
  const request = http.makeRequest(head, { text: '{"a":1}', binary: false, stream: null }, controller);
  const { status, headers, body } = http.readResponse(new Answer('x'));
  const made = http.readResponse(json({ a: 1 })).body.text;
  const isResponse = http.isResponse(new Answer('x'));
  const isRequest = http.isRequest(request);
  const isNot = http.isResponse({});
  const sent = http.readRequest(request);
  let calls = 0;
  abort.subscribe(signal, () => { calls++ });
  controller.abort('r');
  let fired = '';
  cancel(later(() => { fired += 'wrong' }, 1));
  later(() => { fired += 'fired' }, 1);
  const count = timers.count();
  while (fired === '') __test.step();
  const binary = latin1.encode(bytes) === '\x01\xff' && latin1.decode('\x01\xff')[1] === 255;
  return status + ' ' + headers[0][0] + ' ' + body.kind + ' ' + body.text + ' ' + made + ' | ' + isResponse + ' ' + isRequest + ' ' + isNot
    + ' | ' + sent.headers[0][1] + ' ' + sent.method + ' ' + sent.body.text + ' | ' + calls + ' ' + fired + ' ' + count + ' ' + binary`;

describe('the bridge after a patch of', () => {
  test.each(Object.entries(PATCHES))('%s', async (_, patch) => {
    const { value, errors } = await tell(way(patch), { sync: true });
    expect(errors).toEqual([]);
    expect(value).toBe('200 content-type text x {"a":1} | true true false | b POST {"a":1} | 1 fired 1 true');
  });
});

test('a json body is parsed by the captured parser', async () => {
  const code = `const request = __test.web.http.makeRequest({ method: 'POST', url: 'https://h/', headers: '' }, { text: '{"a":1}', binary: false, stream: null }, new AbortController());
    const { parse } = JSON; JSON.parse = () => 'patched';
    const value = await request.json(); JSON.parse = parse; return value`;
  expect(await run(code)).toEqual({ a: 1 });
});

test('the internals are out of reach', async () => {
  const code = `
    const seen = new Set(); const queue = [globalThis]; const found = [];
    const skip = new Set([__test, __settled]);
    while (queue.length > 0) {
      const value = queue.pop();
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value) || skip.has(value)) continue;
      seen.add(value);
      for (const key of Reflect.ownKeys(value)) {
        const { value: child, get, set } = Reflect.getOwnPropertyDescriptor(value, key);
        queue.push(child, get, set);
        if (['makeRequest', 'readResponse', 'wake', 'monotonic', 'installWeb'].includes(String(key))) found.push(key);
      }
      queue.push(Reflect.getPrototypeOf(value));
    }
    return [found, seen.size > 1000]`;
  expect(await run(code)).toEqual([[], true]);
});

test('stack traces show neither functions nor receivers of the platform', async () => {
  const code = `
    let leaks = 0; let frames = 0;
    Error.prepareStackTrace = (_, sites) => { for (const site of sites) { if (site.getFileName() !== 'prelude') continue; frames++; if (site.getFunction() !== undefined || site.getThis() !== undefined) leaks++ } return '' };
    const target = new EventTarget();
    target.addEventListener('x', () => { new Error().stack });
    target.dispatchEvent(new Event('x'));
    try { new Response('', { status: 1 }) } catch (error) { error.stack }
    JSON.stringify({ toJSON() { new Error().stack } });
    Response.json({ toJSON() { new Error().stack; return 1 } });
    return [leaks, frames > 2]`;
  expect(await run(code)).toEqual([0, true]);
});
