import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

describe('Blob and File', () => {
  test.each<[string, string, unknown]>([
    [
      'parts of all kinds',
      `await new Blob(['a', new Uint8Array([98]), new Uint16Array([0x6463]), new Blob(['e']), new Uint8Array([102]).buffer, 7]).text()`,
      'abcdef7',
    ],
    ['size and type', `(b => [b.size, b.type])(new Blob(['é'], { type: 'Text/Plain' }))`, [2, 'text/plain']],
    ['a type that is not ASCII is none', `new Blob([], { type: 'é' }).type`, ''],
    [
      'slice',
      `await (async () => { const b = new Blob(['abcdef']); const s = b.slice(-3, -1, 'x/y'); return [await s.text(), s.type, await b.slice(2).text(), b.slice(4, 2).size] })()`,
      ['de', 'x/y', 'cdef', 0],
    ],
    ['line endings', `await new Blob(['a\\r\\nb\\rc\\n'], { endings: 'native' }).text()`, 'a\nb\nc\n'],
    [
      'bytes are copies',
      `await (async () => { const b = new Blob(['a']); (await b.bytes())[0] = 0; new Uint8Array(await b.arrayBuffer())[0] = 0; return b.text() })()`,
      'a',
    ],
    ['stream', `await new Response(new Blob(['abc']).stream()).text()`, 'abc'],
    [
      'File',
      `(f => [f.name, f.lastModified, f.type, f.size, f instanceof Blob])(new File(['a'], 'x/y.txt', { lastModified: 5, type: 'a/b' }))`,
      ['x/y.txt', 5, 'a/b', 1, true],
    ],
    [
      'parts that are no sequence',
      `['a', {}, 1].map(p => { try { new Blob(p) } catch (e) { return e.name } })`,
      Array(3).fill('TypeError'),
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });
});

describe('FormData', () => {
  test.each<[string, string, unknown]>([
    [
      'append, set, get, delete',
      `(f => { f.append('a', 1); f.append('b', '2'); f.append('a', '3'); f.set('a', '4'); f.delete('b'); f.append('c', null); return [...f, f.getAll('a'), f.get('x'), f.has('c')] })(new FormData())`,
      [['a', '4'], ['c', 'null'], ['4'], null, true],
    ],
    [
      'blobs become files',
      `(f => { f.append('a', new Blob(['x'], { type: 'a/b' })); f.append('b', new Blob(['x']), 'n'); const [a, b] = [f.get('a'), f.get('b')]; return [a instanceof File, a.name, a.type, b.name] })(new FormData())`,
      [true, 'blob', 'a/b', 'n'],
    ],
    [
      'iteration',
      `(f => { f.append('a', '1'); const seen = []; f.forEach((v, k) => seen.push(k + v)); return [[...f.keys()], [...f.values()], seen] })(new FormData())`,
      [['a'], ['1'], ['a1']],
    ],
    [
      'urlencoded bodies',
      `await (async () => { const f = await new Response('a=1&b=%C3%A9+x', { headers: { 'content-type': 'Application/X-WWW-form-urlencoded; charset=utf-8' } }).formData(); return [...f] })()`,
      [
        ['a', '1'],
        ['b', 'é x'],
      ],
    ],
    [
      'other types are refused',
      `await Promise.all([new Response('a=1'), new Response('a=1', { headers: { 'content-type': 'multipart/form-data' } })].map(r => r.formData().catch(e => e.name)))`,
      ['TypeError', 'TypeError'],
    ],
    [
      'a form with text alone stays text for the core',
      `__test.web.http.readResponse(new Response((f => { f.append('a', 'é'); return f })(new FormData()))).body.kind`,
      'text',
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });

  test('multipart there and back, with awkward names and line breaks', async () => {
    const code = `const form = new FormData();
      form.append('a"b\\r\\nc', 'one\\ntwo'); form.append('é', 'ü'); form.append('empty', '');
      form.append('f', new File([new Uint8Array([0, 255, 13, 10, 45, 45])], 'x"é.bin', { type: 'a/b' }));
      const request = new Request('https://h/', { method: 'POST', body: form });
      const type = request.headers.get('content-type');
      const back = await request.formData(); const file = back.get('f');
      return [type.startsWith('multipart/form-data; boundary='), [...back.keys()], back.get('a"b\\r\\nc'), back.get('é'), back.get('empty'),
        file.name, file.type, [...await file.bytes()]]`;
    expect(await run(code)).toEqual([
      true,
      ['a"b\r\nc', 'é', 'empty', 'f'],
      'one\r\ntwo',
      'ü',
      '',
      'x"é.bin',
      'a/b',
      [0, 255, 13, 10, 45, 45],
    ]);
  });

  test.each([
    ['without its end', '--b\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\nx'],
    ['without a name', '--b\\r\\nContent-Disposition: form-data\\r\\n\\r\\nx\\r\\n--b--\\r\\n'],
    ['that is something else', 'hello'],
  ])('a body %s is refused', async (_, body) => {
    const code = `return new Response('${body}', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData().then(f => [...f], e => e.name)`;
    expect(await run(code)).toBe('TypeError');
  });
});

describe('streams', () => {
  test.each<[string, string, unknown]>([
    [
      'pipes',
      `await new Response(new Response('ab').body.pipeThrough(new TransformStream({ transform(chunk, c) { c.enqueue(chunk.map(b => b - 32)) } }))).text()`,
      'AB',
    ],
    [
      'tee and from',
      `await (async () => { const [a, b] = ReadableStream.from(['x', 'y']).tee(); const all = async s => { const seen = []; for await (const v of s) seen.push(v); return seen }; return [await all(a), await all(b)] })()`,
      [
        ['x', 'y'],
        ['x', 'y'],
      ],
    ],
    [
      'writers',
      `await (async () => { const seen = []; const w = new WritableStream({ write(x) { seen.push(x) } }).getWriter(); await w.write(1); await w.close(); return seen })()`,
      [1],
    ],
    [
      'back-pressure',
      `await (async () => { let pulls = 0; const s = new ReadableStream({ pull(c) { c.enqueue(++pulls) } }, { highWaterMark: 0 }); const r = s.getReader(); await r.read(); await r.read(); return pulls })()`,
      2,
    ],
    [
      'aborted pipes',
      `await (async () => { const c = new AbortController(); const p = new ReadableStream().pipeTo(new WritableStream(), { signal: c.signal }); c.abort(); return p.catch(e => [e.name, e === c.signal.reason]) })()`,
      ['AbortError', true],
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });
});
