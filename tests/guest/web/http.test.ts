import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

/** A Request as the bridge makes it. */
const made = (body: string, headers = "''", method = 'POST') =>
  `const request = __test.web.http.makeRequest({ method: '${method}', url: 'https://h.example/p?q=1', headers: ${headers} },
   { text: null, binary: false, stream: null, ...${body} }, new AbortController());`;
const read = '__test.web.http.readResponse';

describe('what the bridge makes and reads', () => {
  test('a request is what the core sent', async () => {
    const code = `${made(`{ text: '{"a":1}' }`, `'content-type:application/json\\nx-two:1, 2\\n'`)}
      return [request.method, request.url, request.headers.get('content-type'), request.headers.get('X-TWO'),
        request instanceof Request, request.signal.aborted, request.bodyUsed, await request.json(), request.bodyUsed]`;
    expect(await run(code)).toEqual([
      'POST',
      'https://h.example/p?q=1',
      'application/json',
      '1, 2',
      true,
      false,
      false,
      { a: 1 },
      true,
    ]);
  });

  test('the signal of a controller is made when it is touched, and follows it', async () => {
    const code = `const { controller } = __test.web.abort.make();
      const request = __test.web.http.makeRequest({ method: 'GET', url: 'https://h/', headers: '' },
        { text: null, binary: false, stream: null }, controller);
      let calls = 0;
      __test.web.abort.subscribe(request.signal, () => { calls++ });
      controller.abort('gone');
      return [request.signal === controller.signal, request.signal.aborted, request.signal.reason, calls]`;
    expect(await run(code)).toEqual([true, true, 'gone', 1]);
  });

  test('binary bodies are bytes, and pass through as they came', async () => {
    const code = `${made(`{ text: '\\x00\\xff\\xc3\\xa9', binary: true }`)}
      const copy = request.clone();
      return [[...await request.bytes()], ${read}(new Response(copy.body)).body.kind, await new Response('x').text(),
        __test.web.http.readRequest(__test.web.http.makeRequest({ method: 'PUT', url: 'https://h/', headers: 'a:b:c\\n' },
          { text: '\\xfe', binary: true, stream: null }, new AbortController()))]`;
    expect(await run(code)).toEqual([
      [0, 255, 195, 169],
      'stream',
      'x',
      {
        method: 'PUT',
        url: 'https://h/',
        headers: [['a', 'b:c']],
        redirect: 'follow',
        body: { kind: 'binary', latin1: '\u00fe' },
      },
    ]);
  });

  test.each<[string, string, unknown]>([
    [
      'Response.json',
      `Response.json({ a: 'é' })`,
      { headers: [['content-type', 'application/json']], body: { kind: 'text', text: '{"a":"é"}' } },
    ],
    [
      'a text',
      `new Response('hi')`,
      { headers: [['content-type', 'text/plain;charset=UTF-8']], body: { kind: 'text', text: 'hi' } },
    ],
    ['nothing', `new Response()`, { headers: [], body: { kind: 'none' } }],
    ['null with status', `new Response(null, { status: 204 })`, { status: 204, headers: [], body: { kind: 'none' } }],
    [
      'bytes',
      `new Response(new Uint8Array([1, 255]))`,
      { headers: [], body: { kind: 'binary', latin1: '\u0001\u00ff' } },
    ],
    [
      'a view of a buffer',
      `new Response(new Uint16Array([1, 2]).subarray(1))`,
      { headers: [], body: { kind: 'binary', latin1: '\u0002\u0000' } },
    ],
    [
      'a blob',
      `new Response(new Blob(['a'], { type: 'Text/X' }))`,
      { headers: [['content-type', 'text/x']], body: { kind: 'binary', latin1: 'a' } },
    ],
    [
      'parameters',
      `new Response(new URLSearchParams('a=b c'))`,
      {
        headers: [['content-type', 'application/x-www-form-urlencoded;charset=UTF-8']],
        body: { kind: 'text', text: 'a=b+c' },
      },
    ],
    [
      'a lone surrogate',
      `new Response('\\ud800x')`,
      { headers: [['content-type', 'text/plain;charset=UTF-8']], body: { kind: 'text', text: '\ufffdx' } },
    ],
    [
      'its own type',
      `new Response('x', { headers: { 'Content-Type': 'text/css', 'Set-Cookie': 'a=1' } })`,
      {
        headers: [
          ['content-type', 'text/css'],
          ['set-cookie', 'a=1'],
        ],
        body: { kind: 'text', text: 'x' },
      },
    ],
    [
      'changed headers',
      `(() => { const r = new Response('x'); r.headers.set('X-A', '1'); r.headers.delete('content-type'); return r })()`,
      { headers: [['x-a', '1']], body: { kind: 'text', text: 'x' } },
    ],
    [
      'a redirect',
      `Response.redirect('https://EXAMPLE.com/a b')`,
      { status: 302, headers: [['location', 'https://example.com/a%20b']], body: { kind: 'none' } },
    ],
  ])('an answer of %s', async (_, code, expected) => {
    expect(await run(`return ${read}(${code})`)).toEqual({ status: 200, statusText: '', ...(expected as object) });
  });

  test('a stream stays one', async () => {
    const code = `const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104, 105])); c.close() } });
      const shape = ${read}(new Response(stream));
      const reader = shape.body.stream.getReader();
      return [shape.body.kind, [...(await reader.read()).value], (await reader.read()).done]`;
    expect(await run(code)).toEqual(['stream', [104, 105], true]);
  });

  test.each([
    ['a used one', `const r = new Response('x'); await r.text(); ${read}(r)`],
    ['a locked one', `const r = new Response('x'); r.body.getReader(); ${read}(r)`],
    ['a network error', `${read}(Response.error())`],
    ['no Response', `${read}({ status: 200, headers: [], body: null })`],
    ['one that only looks like it', `${read}(Object.create(Response.prototype))`],
  ])('refuses %s', async (_, code) => {
    expect(await run(`try { ${code}; return 'taken' } catch (error) { return error.name }`)).toBe('TypeError');
  });

  test('an answer from the network cannot be changed', async () => {
    const code = `const response = await fetch('https://h/');
      try { response.headers.set('a', 'b') } catch (error) { return [error.name, response.url, response.type, await response.text()] }`;
    expect(await run(code)).toEqual(['TypeError', 'https://h/', 'basic', 'fetched']);
  });
});

describe('bodies', () => {
  test.each<[string, string, unknown]>([
    ['text drops a byte order mark', `await new Response('\\ufeffabc').text()`, 'abc'],
    ['bytes keep it', `[...await new Response('\\ufeff').bytes()]`, [0xef, 0xbb, 0xbf]],
    ['json ignores it', `await new Response('\\ufeff[1]').json()`, [1]],
    ['broken UTF-8 becomes U+FFFD', `await new Response(new Uint8Array([0x61, 0xff])).text()`, 'a\ufffd'],
    ['an empty body is an empty text', `[await new Response().text(), new Response().body]`, ['', null]],
    ['an empty body has no JSON', `await new Response('').json().catch(e => e.name)`, 'SyntaxError'],
    ['array buffers', `(await new Response('é').arrayBuffer()).byteLength`, 2],
    [
      'blobs take the type of the header',
      `await new Response('x').blob().then(b => [b.size, b.type])`,
      [1, 'text/plain;charset=utf-8'],
    ],
    [
      'the body is one stream',
      `(() => { const r = new Response('x'); return [r.body === r.body, r.body instanceof ReadableStream, r.bodyUsed] })()`,
      [true, true, false],
    ],
    [
      'reading the stream uses the body',
      `(await (async () => { const r = new Response('ab'); const reader = r.body.getReader(); await reader.read(); reader.releaseLock(); return [r.bodyUsed, await r.text().catch(e => e.name)] })())`,
      [true, 'TypeError'],
    ],
    [
      'a second read is refused',
      `(await (async () => { const r = new Response('x'); await r.text(); return [r.bodyUsed, await r.json().catch(e => e.name), r.body.locked] })())`,
      [true, 'TypeError', true],
    ],
    [
      'a null body can be read twice',
      `(await (async () => { const r = new Response(null); await r.text(); return [r.bodyUsed, await r.text()] })())`,
      [false, ''],
    ],
    [
      'what is given away is a copy',
      `(await (async () => { const a = new Uint8Array([1]); const r = new Response(a); a[0] = 9; return [...await r.bytes()] })())`,
      [1],
    ],
    [
      'streams are collected',
      `await new Response(new ReadableStream({ async start(c) { for (const x of [1, 2]) c.enqueue(new Uint8Array([64 + x])); c.close() } })).text()`,
      'AB',
    ],
    [
      'chunks have to be bytes',
      `await new Response(new ReadableStream({ start(c) { c.enqueue('x') } })).text().catch(e => e.name)`,
      'TypeError',
    ],
    [
      'a stream that fails rejects with its error',
      `await new Response(new ReadableStream({ start(c) { c.error(new RangeError('x')) } })).text().catch(e => e.name)`,
      'RangeError',
    ],
    [
      'byob readers work',
      `await (async () => { const reader = new Response('abc').body.getReader({ mode: 'byob' }); const { value } = await reader.read(new Uint8Array(2)); return [...value] })()`,
      [97, 98],
    ],
    [
      'clones are apart',
      `await (async () => { const r = new Response('x', { headers: { a: '1' } }); const c = r.clone(); c.headers.set('a', '2'); return [await r.text(), await c.text(), r.headers.get('a')] })()`,
      ['x', 'x', '1'],
    ],
    [
      'clones of streams share the source',
      `await (async () => { const r = new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.close() } })); const c = r.clone(); return [await r.text(), await c.text()] })()`,
      ['A', 'A'],
    ],
    [
      'a used body cannot be cloned',
      `await (async () => { const r = new Response('x'); await r.text(); try { r.clone() } catch (e) { return e.name } })()`,
      'TypeError',
    ],
    [
      'other values are text',
      `await Promise.all([new Response(1).text(), new Response({}).text(), new Response(true).text()])`,
      ['1', '[object Object]', 'true'],
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });
});

describe('Response', () => {
  test.each<[string, string, unknown]>([
    [
      'defaults',
      `(({ status, ok, statusText, type, url, redirected }) => [status, ok, statusText, type, url, redirected])(new Response())`,
      [200, true, '', 'default', '', false],
    ],
    [
      'json with init',
      `Response.json([1], { status: 201, statusText: 'Made', headers: { 'content-type': 'application/problem+json' } }).headers.get('content-type')`,
      'application/problem+json',
    ],
    ['error', `(({ status, type, ok }) => [status, type, ok])(Response.error())`, [0, 'error', false]],
    [
      'redirect',
      `(r => [r.status, r.headers.get('Location')])(Response.redirect(new URL('https://a.example/x'), 308))`,
      [308, 'https://a.example/x'],
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });

  test.each([
    ['status 199', `new Response('', { status: 199 })`, 'RangeError'],
    ['status 600', `new Response('', { status: 600 })`, 'RangeError'],
    ['a body with 204', `new Response('x', { status: 204 })`, 'TypeError'],
    ['a status text with a line break', `new Response('', { statusText: 'a\\nb' })`, 'TypeError'],
    ['JSON of undefined', `Response.json(undefined)`, 'TypeError'],
    ['JSON of a circle', `(() => { const a = {}; a.a = a; Response.json(a) })()`, 'TypeError'],
    ['a redirect with status 200', `Response.redirect('https://a/', 200)`, 'RangeError'],
    ['a relative redirect', `Response.redirect('/login')`, 'TypeError'],
    ['a read stream', `(() => { const s = new ReadableStream(); s.getReader(); new Response(s) })()`, 'TypeError'],
    ['a call without new', `Response('x')`, 'TypeError'],
  ])('refuses %s', async (_, code, name) => {
    expect(await run(`try { ${code}; return 'made' } catch (error) { return error.name }`)).toBe(name);
  });
});

describe('Request', () => {
  test.each<[string, string, unknown]>([
    [
      'defaults',
      `(r => [r.method, r.url, r.redirect, r.mode, r.credentials, r.cache, r.referrer, r.destination, r.integrity, r.keepalive, r.duplex])(new Request('https://A.example'))`,
      ['GET', 'https://a.example/', 'follow', 'cors', 'same-origin', 'default', 'about:client', '', '', false, 'half'],
    ],
    [
      'methods',
      `['post', 'PaTcH', 'delete'].map(method => new Request('https://a/', { method }).method)`,
      ['POST', 'PaTcH', 'DELETE'],
    ],
    [
      'a content type for the body',
      `new Request('https://a/', { method: 'POST', body: 'x' }).headers.get('content-type')`,
      'text/plain;charset=UTF-8',
    ],
    [
      'a copy takes the body',
      `await (async () => { const a = new Request('https://a/', { method: 'POST', body: 'x', headers: { b: '1' } }); const b = new Request(a, { headers: { c: '2' } }); return [a.bodyUsed, await b.text(), b.headers.get('b'), b.headers.get('c'), b.method] })()`,
      [true, 'x', null, '2', 'POST'],
    ],
    [
      'a copy with a body of its own leaves it',
      `await (async () => { const a = new Request('https://a/', { method: 'POST', body: 'x' }); const b = new Request(a, { body: 'y' }); return [a.bodyUsed, await b.text()] })()`,
      [false, 'y'],
    ],
    [
      'a clone',
      `await (async () => { const a = new Request('https://a/', { method: 'POST', body: 'x' }); const b = a.clone(); return [await a.text(), await b.text(), b.url] })()`,
      ['x', 'x', 'https://a/'],
    ],
    [
      'a copy follows the signal',
      `(() => { const c = new AbortController(); const a = new Request('https://a/', { signal: c.signal }); const b = new Request(a); c.abort(1); return [a.signal.aborted, b.signal.aborted, b.signal.reason, a.signal === c.signal] })()`,
      [true, true, 1, false],
    ],
    [
      'a stream with duplex',
      `await new Request('https://a/', { method: 'POST', duplex: 'half', body: new Response('s').body }).text()`,
      's',
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });

  test.each([
    ['a relative URL', `new Request('/a')`],
    ['a URL with a password', `new Request('https://u:p@a/')`],
    ['a bad method', `new Request('https://a/', { method: 'A B' })`],
    ['TRACE', `new Request('https://a/', { method: 'trace' })`],
    ['GET with a body', `new Request('https://a/', { body: 'x' })`],
    ['a stream without duplex', `new Request('https://a/', { method: 'POST', body: new ReadableStream() })`],
    ['a signal that is none', `new Request('https://a/', { signal: {} })`],
    ['an unknown mode', `new Request('https://a/', { redirect: 'never' })`],
    [
      'a used request',
      `const a = new Request('https://a/', { method: 'POST', body: 'x' }); await a.text(); new Request(a)`,
    ],
    ['no argument', `new Request()`],
  ])('refuses %s', async (_, code) => {
    expect(await run(`try { ${code}; return 'made' } catch (error) { return error.name }`)).toBe('TypeError');
  });
});
