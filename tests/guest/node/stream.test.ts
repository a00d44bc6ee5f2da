import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:stream, as in Node', () => {
  test.each([
    [
      'pipelines',
      `const { Readable, Writable, Transform, PassThrough } = __require('node:stream');
const { pipeline } = __require('node:stream/promises');
const seen = [];
const upper = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk.toString().toUpperCase()) });
const slow = new Writable({ write(chunk, _encoding, done) { seen.push(chunk.toString()); setTimeout(done, 1); }, final(done) { seen.push('final'); done(); } });
await pipeline(Readable.from(['a', 'b', 'c']), upper, slow);
seen.push(await pipeline([1, 2, 3], async function* (source) { for await (const x of source) yield x * 2; }, async (source) => { let sum = 0; for await (const x of source) sum += x; return sum; }));
seen.push(await pipeline(Readable.from([1]), async function* () { throw new TypeError('no'); }, new PassThrough({ objectMode: true })).catch((error) => error.message));
return seen;`,
    ],
    [
      'reading',
      `const { Readable } = __require('node:stream');
const out = [];
const text = new Readable({ read() { this.push('xy'); this.push(Uint8Array.of(0xe2, 0x82)); this.push(Uint8Array.of(0xac)); this.push(null); } });
text.setEncoding('utf8');
for await (const chunk of text) out.push(chunk);
out.push(await Readable.from([1, 2, 3, 4]).filter((x) => x % 2 === 0).map(async (x) => x * 10).toArray());
const legacy = new Readable().wrap(new (__require('node:events'))());
legacy.destroy();
const flowing = Readable.from(['p', 'q']);
out.push(await new Promise((resolve) => { const got = []; flowing.on('data', (chunk) => got.push(chunk)).on('end', () => resolve(got)); }));
const broken = new Readable({ read() { this.destroy(new Error('broken')); } });
out.push(await broken.toArray().catch((error) => error.message), broken.destroyed);
return out;`,
    ],
    [
      'writing and back-pressure',
      `const { Writable, finished, Duplex } = __require('node:stream');
const { once } = __require('node:events');
const out = [];
const slow = new Writable({ highWaterMark: 3, write(_chunk, _encoding, done) { setTimeout(done, 1); } });
out.push(slow.write('ab'), slow.write('cd'), slow.writableLength, slow.writableNeedDrain);
await once(slow, 'drain');
slow.end();
const late = new Promise((resolve) => slow.on('error', ({ code }) => resolve(code)));
slow.write('x');
out.push(await late);
const early = new Writable({ write() {} });
const ended = new Promise((resolve) => finished(early, ({ code }) => resolve(code)));
early.destroy();
out.push(await ended);
const echo = new Duplex({ read() {}, write(chunk, _encoding, done) { this.push(chunk); done(); }, final(done) { this.push(null); done(); } });
echo.end('echo');
out.push(String(__require('node:buffer').Buffer.concat(await echo.toArray())));
const batches = [];
const corked = new Writable({ writev(chunks, done) { batches.push(chunks.map(({ chunk }) => chunk.toString())); done(); } });
corked.cork(); corked.write('1'); corked.write('2'); corked.uncork(); corked.end();
await once(corked, 'finish');
out.push(batches);
return out;`,
    ],
    [
      'streams of the web',
      `const { Readable, Writable, Duplex } = __require('node:stream');
const { pipeline } = __require('node:stream/promises');
const { Buffer } = __require('node:buffer');
const out = [];
out.push(await new Response(Readable.toWeb(Readable.from([Buffer.from('hello '), Buffer.from('web')], { objectMode: false }))).text());
const ofWeb = Readable.fromWeb(new ReadableStream({ start(controller) { controller.enqueue(Uint8Array.of(104, 105)); controller.close(); } }));
out.push((await ofWeb.toArray()).map((chunk) => [Buffer.isBuffer(chunk), String(chunk)]));
const seen = [];
const sink = new WritableStream({ write(chunk) { seen.push(String.fromCharCode(...chunk)); }, close() { seen.push('closed'); } });
await pipeline(Readable.from(['a', 'b']), Writable.fromWeb(sink));
const writer = Writable.toWeb(new Writable({ write(chunk, _encoding, done) { seen.push(String(chunk)); done(); } })).getWriter();
await writer.write('q');
await writer.close();
out.push(seen);
const failing = Readable.fromWeb(new ReadableStream({ pull() { throw new RangeError('pulled'); } }));
out.push(await failing.toArray().catch(({ name, message }) => [name, message]));
const cancelled = new Readable({ read() { this.push('x'); } });
cancelled.on('error', () => undefined);
const web = Readable.toWeb(cancelled);
const closed = new Promise((resolve) => cancelled.on('close', resolve));
await web.cancel(new Error('enough'));
await closed;
out.push(cancelled.destroyed);
const both = Duplex.fromWeb(new TransformStream({ transform(chunk, controller) { controller.enqueue(String(chunk) + '!'); } }));
both.end('both');
out.push((await both.toArray()).map(String));
return out;`,
    ],
    [
      'what the module is',
      `const stream = __require('node:stream');
const EventEmitter = __require('node:events');
const passing = new stream.PassThrough();
return [typeof stream, stream === stream.Stream, passing instanceof stream.Duplex, passing instanceof stream.Writable, passing instanceof stream, passing instanceof EventEmitter,
  __require('node:stream/promises') === stream.promises, __require('node:stream/web').ReadableStream === ReadableStream];`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});
