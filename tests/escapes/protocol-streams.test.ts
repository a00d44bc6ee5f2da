import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import type { Guest } from '../../src/host/guest.ts';
import { type CoreSide, coreSide } from '../kit/core-side.ts';
import { type Forged, type HostileHost, hostileHost } from '../kit/hostile-host.ts';
import { until } from '../kit/until.ts';

// The host process taken as hostile (ADVERSARY 24, 29): streams that break the rules of streams.

setDefaultTimeout(30_000);

const [VICTIM, PROBE] = [1, 2] as const;
const REQUEST = { what: 'POST /', lane: 1, payload: 'null', deadlineMs: 60_000 };
const MIB = 1024 * 1024;
const WINDOW = CHANNEL_LIMITS.streamWindowBytes;

let core: CoreSide;
let liar: HostileHost;
let victim: Guest;

beforeEach(async () => {
  core = coreSide();
  core.settle(VICTIM, { plugin: 'victim', grants: ['network:example.com:443'] });
  core.settle(PROBE, { plugin: 'probe' });
  liar = await hostileHost(core.guests);
  victim = await liar.load(VICTIM, 'victim');
  await liar.load(PROBE, 'probe');
});
afterEach(async () => {
  await liar?.[Symbol.asyncDispose]();
});

const chunk = (id: number, body: string | Uint8Array, flags = 0): Forged => ({
  kind: KIND.chunk,
  isolate: VICTIM,
  id,
  flags: FLAG.binary | flags,
  body,
});
const credit = (id: number, head: string): Forged => ({ kind: KIND.credit, isolate: VICTIM, id, head });
const chunks = () => liar.received.filter(({ kind, body }) => kind === KIND.chunk && body.length > 0);
const sentBytes = () => chunks().reduce((sum, { body }) => sum + body.length, 0);

/** A source without end that counts what was taken of it. */
function endless(): { stream: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        taken += 10_000;
        controller.enqueue(new Uint8Array(10_000));
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, taken: () => taken };
}

describe('credit', () => {
  test('that is no whole number above nothing is none', async () => {
    const source = endless();
    victim.invoke({ ...REQUEST, stream: source.stream }).catch(() => undefined);
    await until(() => sentBytes() >= WINDOW - 10_000, 'the window is sent');
    const before = sentBytes();
    const heads = [
      '',
      '-1',
      '-1e308',
      'NaN',
      'Infinity',
      '1e400',
      '0',
      '1.5',
      '{}',
      '0x',
      '\u0000',
      '9'.repeat(100_000),
    ];
    await liar.send(...heads.flatMap((head) => [credit(1, head), credit(77, head)]));
    await liar.settle(PROBE);
    await liar.settle(PROBE);
    expect(sentBytes()).toBe(before);
    expect(victim.gone).toBe(false);
  });

  test('however much it is, is worth a window', async () => {
    const source = endless();
    victim.invoke({ ...REQUEST, stream: source.stream }).catch(() => undefined);
    await until(() => sentBytes() >= WINDOW - 10_000, 'the window is sent');
    await liar.send(...['9007199254740991', '9007199254740991', '4294967296'].map((head) => credit(1, head)));
    await liar.settle(PROBE);
    await liar.settle(PROBE);
    expect(sentBytes()).toBeLessThanOrEqual(4 * WINDOW);
    expect(source.taken()).toBeLessThanOrEqual(4 * WINDOW + 20_000);
  });
});

describe('chunks', () => {
  test.each([
    ['one beyond the window', [chunk(5, Buffer.alloc(WINDOW + 1))]],
    ['many that are beyond it together', Array.from({ length: 5 }, () => chunk(5, Buffer.alloc(60_000)))],
    ['more after the last', [chunk(5, '', FLAG.last), chunk(5, 'more')]],
    ['of more streams than there may be', Array.from({ length: 1_025 }, (_none, id) => chunk(id, 'x'))],
  ])('%s: the isolate is let go, and no other', async (_what, frames) => {
    await liar.send(...frames);
    await liar.settle(PROBE);
    expect(victim.gone).toBe(true);
    expect(victim.streams.size).toBe(0);
    expect(core.gone).toMatchObject([{ isolate: VICTIM }]);
    expect(liar.received.some(({ kind, isolate }) => kind === KIND.dispose && isolate === VICTIM)).toBe(true);
  });

  test('for streams that nobody ever reads are held to a window each, and to a sum', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const body = Buffer.alloc(CHANNEL_LIMITS.chunkBytes);
    for (let id = 1; id <= 600; id += 1) await liar.send(...Array.from({ length: 4 }, () => chunk(id, body)));
    await liar.settle(PROBE);
    Bun.gc(true);
    // 600 windows are 150 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(80 * MIB);
    expect(victim.gone).toBe(false);
    // The first are whole; those that were given up break for their readers.
    await liar.send(chunk(1, '', FLAG.last), chunk(600, '', FLAG.last));
    expect((await new Response(victim.streams.receive(1)).bytes()).length).toBe(WINDOW);
    await expect(new Response(victim.streams.receive(600)).bytes()).rejects.toThrow('too slow');
  });

  test('of one byte hold what they carry, not the reads that they came with', async () => {
    Bun.gc(true);
    const before = process.memoryUsage().arrayBuffers;
    const junk: Forged = { kind: KIND.result, isolate: PROBE, id: 99, body: Buffer.alloc(400_000) };
    for (let round = 0; round < 300; round += 1) await liar.send(chunk(5, 'x'), junk);
    await liar.settle(PROBE);
    Bun.gc(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * MIB);
    await liar.send(chunk(5, 'y', FLAG.last));
    expect(await new Response(victim.streams.receive(5)).text()).toBe(`${'x'.repeat(300)}y`);
  });

  test('of one byte in masses are one piece of memory', async () => {
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    await liar.send(...Array.from({ length: 100_000 }, () => chunk(5, 'x')));
    await liar.settle(PROBE);
    Bun.gc(true);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * MIB);
    expect(victim.gone).toBe(false);
  });

  test('that come after the core gave the isolate up are nobody’s', async () => {
    victim.dispose();
    await liar.send(...Array.from({ length: 1_000 }, (_none, id) => chunk(id, 'x')), {
      kind: KIND.streamAbort,
      isolate: VICTIM,
      id: 5_000,
      flags: FLAG.error,
    });
    await liar.settle(PROBE);
    expect(victim.streams.size).toBe(0);
  });
});

describe('streams that a call names', () => {
  const fetchOf = (id: number, stream: number): Forged => ({
    kind: KIND.call,
    isolate: VICTIM,
    id,
    head: '"fetch.request"',
    body: JSON.stringify({
      method: 'POST',
      url: 'https://example.com/',
      headers: [],
      redirect: 'follow',
      body: { stream },
    }),
  });
  const codeOf = (id: number): string | undefined => {
    const reply = liar.received.find((frame) => frame.kind === KIND.reply && frame.id === id);
    return reply === undefined ? undefined : JSON.parse(reply.head).code;
  };

  test.each([0, -1, 1.5, 2 ** 32, 1e300])('%p is no stream', async (stream) => {
    await liar.send(fetchOf(1, stream));
    expect(await until(() => codeOf(1), 'it is refused')).toBe('invalid_input');
    expect(victim.streams.size).toBe(0);
    expect(core.logged).toEqual([]);
  });

  test('one that is read already is refused, and is no trouble of the core’s own', async () => {
    await liar.send(fetchOf(1, 4), fetchOf(2, 4));
    expect(await until(() => codeOf(2), 'the second is refused')).toBe('invalid_input');
    await until(() => codeOf(1), 'the first ends');
    expect(core.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('a reader of one that was never written is let go with the isolate', async () => {
    const reading = new Response(victim.streams.receive(9)).text().catch((error: unknown) => error);
    await liar.send({ kind: KIND.gone, isolate: VICTIM, head: '{"reason":"cpu","error":null}' });
    expect(await reading).toMatchObject({ code: 'plugin_deadline' });
  });
});
