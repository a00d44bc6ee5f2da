import { afterAll, describe, expect, test } from 'bun:test';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

const HELPERS = `
  const through = async (stream, bytes) => {
    const answer = new Response(new Blob([bytes]).stream().pipeThrough(stream));
    return new Uint8Array(await answer.arrayBuffer());
  };
  const unpack = (format, list) => through(new DecompressionStream(format), new Uint8Array(list));
  const text = (bytes) => new TextDecoder().decode(bytes);
  const failure = (promise) => promise.then(() => 'fulfilled', (e) => e.name + ': ' + e.message);`;

const TEXT = 'a text that is packed '.repeat(500);
const FORMATS = [
  ['gzip', gzipSync, gunzipSync],
  ['deflate', deflateSync, inflateSync],
  ['deflate-raw', deflateRawSync, inflateRawSync],
] as const;

describe.each(FORMATS)('%s', (format, pack, unpack) => {
  test('what is packed here is unpacked by zlib, and the other way round', async () => {
    const code = `${HELPERS} return [...await through(new CompressionStream('${format}'), ${JSON.stringify(TEXT)})]`;
    const packed = Buffer.from((await run(code)) as number[]);
    expect(packed.length).toBeLessThan(TEXT.length / 10);
    expect(unpack(packed).toString()).toBe(TEXT);
    expect(await run(`${HELPERS} return text(await unpack('${format}', ${JSON.stringify([...pack(TEXT)])}))`)).toBe(
      TEXT,
    );
  });

  test.each([
    ['it stops too early', [...pack(TEXT)].slice(0, -1), 'ends too early'],
    ['it stops before the header is over', [...pack(TEXT)].slice(0, 1), 'ends too early'],
    ['it goes on after its end', [...pack(TEXT), 0], 'goes on after its end'],
    ['there is nothing', [], 'ends too early'],
    ['it is something else', [255, 255, 255, 255], 'is damaged'],
  ])('%s: a TypeError', async (_, bytes, message) => {
    const said = await run(`${HELPERS} return failure(unpack('${format}', ${JSON.stringify(bytes)}))`);
    expect(said).toStartWith(`TypeError: The ${format} data ${message}`);
  });
});

test('checksums are looked at', async () => {
  const damaged = [...gzipSync(TEXT)];
  damaged[damaged.length - 5] = (damaged.at(-5) as number) ^ 1;
  expect(await run(`${HELPERS} return failure(unpack('gzip', ${JSON.stringify(damaged)}))`)).toContain('is damaged');
});

test('an error is that of both ends', async () => {
  const code = `${HELPERS}
    const { readable, writable } = new DecompressionStream('gzip');
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const all = [writer.write({}), reader.read(), writer.closed, reader.closed, writer.close()];
    return Promise.all(all.map((each) => each.then(() => 'fulfilled', (e) => e.name)))`;
  expect(await run(code)).toEqual(Array(5).fill('TypeError'));
});

test('a bomb is unpacked no quicker than it is read', async () => {
  const bomb = [...gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 })];
  const code = `${HELPERS}
    const { readable, writable } = new DecompressionStream('gzip');
    const writer = writable.getWriter();
    let written = false;
    writer.write(new Uint8Array(${JSON.stringify(bomb)})).then(() => { written = true }, () => {});
    const reader = readable.getReader();
    let size = 0;
    for (let i = 0; i < 10; i++) size += (await reader.read()).value.length;
    await new Promise((done) => setTimeout(done, 5));
    const early = [size, written];
    await reader.cancel('enough');
    return [...early, await failure(writer.closed)]`;
  // In an isolate of 16 MB, which the whole of it would kill.
  expect(await isolates.run(code, { memoryLimit: 16 })).toEqual([10 * 65_536, false, 'undefined: undefined']);
});

test('all of a bomb passes an isolate that is smaller than it', async () => {
  const bomb = [...gzipSync(Buffer.alloc(48 * 1024 * 1024), { level: 9 })];
  const code = `${HELPERS}
    let size = 0;
    const source = new Blob([new Uint8Array(${JSON.stringify(bomb)})]).stream();
    for await (const piece of source.pipeThrough(new DecompressionStream('gzip'))) size += piece.length;
    return size`;
  expect(await isolates.run(code, { memoryLimit: 16 })).toBe(48 * 1024 * 1024);
});

test('aborting the writer errors the reader, also while it waits for room', async () => {
  const code = `${HELPERS}
    const { readable, writable } = new DecompressionStream('gzip');
    const writer = writable.getWriter();
    writer.write(new Uint8Array(${JSON.stringify([...gzipSync(TEXT)])})).catch(() => {});
    const aborted = writer.abort(new RangeError('stop'));
    const read = await failure(readable.getReader().read().then(() => readable.getReader()));
    return [read.startsWith('RangeError') || read.startsWith('TypeError'), await failure(aborted)]`;
  expect(await run(code)).toEqual([true, 'fulfilled']);
});

test.each([
  ['an unknown format', `new CompressionStream('br')`],
  ['no format', `new DecompressionStream()`],
  ['without new', `CompressionStream('gzip')`],
  ['a property of all objects', `new CompressionStream('toString')`],
])('%s: a TypeError', async (_, code) => {
  expect(await run(`try { ${code} } catch (e) { return e.name }`)).toBe('TypeError');
});
