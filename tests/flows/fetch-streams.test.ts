import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Bodies of `fetch` on their whole way, from an isolate to a server and back: piece by piece, at the reader's pace.

setDefaultTimeout(60_000);

const PIECE = 64 * 1024;
const PIECES = 512;
/** What may be under way between two ends that do not read: windows of the channel and buffers of sockets. */
const UNDER_WAY = 16 * 1024 * 1024;

let core: RunningCore;
let guest: Evaluator;
let given = 0;
let cancelled = false;
let gate = Promise.withResolvers<void>();

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === '/echo') return new Response(request.body);
    if (pathname === '/endless') {
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
        given += 1;
        controller.enqueue(new Uint8Array(PIECE));
      };
      const cancel = () => {
        cancelled = true;
      };
      return new Response(new ReadableStream({ pull, cancel }, { highWaterMark: 0 }));
    }
    await gate.promise;
    let size = 0;
    for await (const chunk of request.body as ReadableStream<Uint8Array>) size += chunk.length;
    return Response.json({ size, length: request.headers.get('content-length') });
  },
});
const url = `http://127.0.0.1:${server.port}`;

beforeAll(async () => {
  core = await startCore();
  guest = await installEvaluator(core, 'streaming', { permissions: [`network:127.0.0.1:${server.port}`] });
});
afterAll(async () => {
  gate.resolve();
  await core?.stop();
  await server.stop(true);
});

/** Waits until a number that grows has stopped growing. */
async function settled(read: () => Promise<number> | number): Promise<number> {
  let last = -1;
  await until(async () => {
    const now = await read();
    const same = now > 0 && now === last;
    last = now;
    return same;
  }, 'it stands still');
  return last;
}

test('a request body is taken from its stream as the server reads it', async () => {
  gate = Promise.withResolvers<void>();
  await guest.value(`
    globalThis.pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (pulled === ${PIECES}) return controller.close();
        pulled++;
        controller.enqueue(new Uint8Array(${PIECE}));
      },
    });
    globalThis.answer = fetch('${url}/slow', { method: 'POST', body, duplex: 'half' }).then((response) => response.json());`);
  const pulled = await settled(() => guest.value('return pulled'));
  expect(pulled * PIECE).toBeLessThan(UNDER_WAY);
  gate.resolve();
  expect(await guest.value('return answer')).toEqual({ size: PIECES * PIECE, length: null });
  expect(await guest.value('return pulled')).toBe(PIECES);
});

test('an answer is taken from the server as its stream is read, and ends when that is cancelled', async () => {
  given = 0;
  cancelled = false;
  const code = `
    globalThis.reader = (await fetch('${url}/endless')).body.getReader();
    let size = 0;
    while (size < 1e6) size += (await reader.read()).value.length;
    return size`;
  expect(await guest.value(code)).toBeGreaterThan(999_999);
  expect((await settled(() => given)) * PIECE).toBeLessThan(UNDER_WAY);
  await guest.value(`await reader.cancel('enough')`);
  await until(() => cancelled, 'the server is told');
});

test('both ways at once, through a transform', async () => {
  const code = `
    const text = 'both ways '.repeat(100_000);
    const body = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'));
    const response = await fetch('${url}/echo', { method: 'POST', body, duplex: 'half' });
    const back = await new Response(response.body.pipeThrough(new DecompressionStream('gzip'))).text();
    return back === text`;
  expect(await guest.value(code)).toBe(true);
});

test('an error of the stream fails the request, and an aborted answer errors its reader', async () => {
  const code = `
    const body = new ReadableStream({ pull(controller) { controller.error(new RangeError('of the stream')) } });
    const failed = await fetch('${url}/echo', { method: 'POST', body, duplex: 'half' }).catch((e) => [e.name, e.code]);
    const controller = new AbortController();
    const reader = (await fetch('${url}/endless', { signal: controller.signal })).body.getReader();
    await reader.read();
    controller.abort(new RangeError('aborted'));
    const read = async () => { for (;;) await reader.read() };
    return [failed, await read().catch((e) => e.message)]`;
  expect(await guest.value(code)).toEqual([['TypeError', 'network_failed'], 'aborted']);
});
