import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { FrameReader, HEADER_BYTES } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { KIND } from '../../runtime/protocol/messages.ts';
import type { Guest } from '../../src/host/guest.ts';
import { HOST_LIMITS } from '../../src/host/limits.ts';
import { type CoreSide, coreSide } from '../kit/core-side.ts';
import { bytesOf, type HostileHost, hostileHost } from '../kit/hostile-host.ts';
import { until } from '../kit/until.ts';

// The host process taken as hostile (ADVERSARY 26, 29): bytes that are no frames, or no end of them.

setDefaultTimeout(30_000);

const [VICTIM, ELSEWHERE] = [1, 2] as const;
const REQUEST = { what: 'GET /', lane: 1, payload: 'null', deadlineMs: 60_000 };
const MIB = 1024 * 1024;

let core: CoreSide;
let liar: HostileHost;
let honest: HostileHost;
let victim: Guest;
let other: Guest;

beforeEach(async () => {
  core = coreSide();
  core.settle(VICTIM, { plugin: 'victim' });
  core.settle(ELSEWHERE, { plugin: 'elsewhere' });
  [liar, honest] = await Promise.all([hostileHost(core.guests), hostileHost(core.guests)]);
  victim = await liar.load(VICTIM, 'victim');
  other = await honest.load(ELSEWHERE, 'elsewhere');
});
afterEach(async () => {
  await Promise.all([liar, honest].map((host) => host?.[Symbol.asyncDispose]()));
});

/** The core goes on: a plugin in another host calls, and is called. */
async function goesOn(): Promise<void> {
  expect(other.gone).toBe(false);
  await honest.settle(ELSEWHERE);
  const before = honest.received.length;
  const answer = other.invoke(REQUEST);
  const asked = await until(() => honest.received[before], 'it is asked');
  await honest.send({ kind: KIND.result, isolate: ELSEWHERE, id: asked.id, head: 'answered' });
  expect((await answer).head).toBe('answered');
}

/** A header that claims these lengths. */
function header(length: number, headLength = 0): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(length, 0);
  bytes[4] = KIND.result;
  bytes.writeUInt32LE(VICTIM, 8);
  bytes.writeUInt32LE(headLength, 16);
  return bytes;
}

describe('26 lengths that cannot be', () => {
  test.each([
    ['4 GB', header(0xffff_ffff)],
    ['2 GB', header(0x8000_0000)],
    ['one more than the limit', header(CHANNEL_LIMITS.frameBytes + 1)],
    ['0', header(0)],
    ['1', header(1)],
    ['one less than the header', header(HEADER_BYTES - 5)],
    ['a head of one byte more than its frame', header(HEADER_BYTES - 4, 1)],
    ['a head of 4 GB', header(HEADER_BYTES + 100, 0xffff_ffff)],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: core\r\n\r\n')],
  ])('%s: the channel is closed, whoever waited is told, and others are not touched', async (_what, bytes) => {
    const waiting = victim.invoke(REQUEST).catch((error: unknown) => error);
    const valid = bytesOf({ kind: KIND.result, isolate: VICTIM, id: 1, head: 'forged after the end' });
    await liar.write(Buffer.concat([bytes, Buffer.alloc(200), valid]));
    expect(await liar.exit).toMatch(/broke the protocol|signal/);
    expect(await waiting).toMatchObject({ code: expect.stringMatching(/^plugin_(unavailable|error)$/) });
    expect(victim.gone).toBe(true);
    await goesOn();
  });

  test('what came before the bad frame counts, what comes after it does not', async () => {
    const asked = [victim.invoke(REQUEST), victim.invoke(REQUEST)].map((work) =>
      work.then(({ head }) => head).catch(() => 'failed'),
    );
    const [good, late] = [1, 2].map((id) => bytesOf({ kind: KIND.result, isolate: VICTIM, id, head: `answer ${id}` }));
    await liar.write(Buffer.concat([good as Buffer, header(0), late as Buffer]));
    expect(await Promise.all(asked)).toEqual(['answer 1', 'failed']);
  });
});

describe('29 half of a frame', () => {
  test.each([1, 3, 4, HEADER_BYTES, 1_000_000])('%d bytes and silence: the heartbeat ends it', async (length) => {
    const whole = bytesOf({ kind: KIND.result, isolate: VICTIM, id: 1, body: Buffer.alloc(1_100_000) });
    await liar.write(whole.subarray(0, length));
    liar.host.tick(performance.now());
    expect(victim.gone).toBe(false);
    liar.host.tick(performance.now() + HOST_LIMITS.silenceMs + 1_000);
    expect(await liar.exit).toContain('heartbeat');
    await goesOn();
  });

  test('a frame that drips in is read like any other', async () => {
    const answer = victim.invoke(REQUEST);
    const bytes = bytesOf({ kind: KIND.result, isolate: VICTIM, id: 1, head: '"drip"', body: 'drop' });
    for (const byte of bytes) await liar.write(Buffer.of(byte));
    expect(await answer).toMatchObject({ head: '"drip"', body: Buffer.from('drop') });
  });

  test('the largest frame in 20,000 pieces costs little more than in one', () => {
    const bodies: number[] = [];
    const reader = new FrameReader(({ body }) => bodies.push(body.length));
    const bytes = bytesOf({ kind: KIND.result, body: Buffer.alloc(1_100_000, 'x') });
    const { user, system } = process.cpuUsage();
    for (let at = 0; at < bytes.length; at += 55) reader.push(bytes.subarray(at, at + 55));
    const spent = process.cpuUsage({ user, system });
    expect(bodies).toEqual([1_100_000]);
    // Copying all that came with each piece takes seconds.
    expect((spent.user + spent.system) / 1_000).toBeLessThan(300);
  });
});

describe('29 a host that does not read', () => {
  const body = 'x'.repeat(1_000_000);
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test('is given up when the backlog is full, and what waits does not take more than that', async () => {
    liar.stopReading();
    const before = process.memoryUsage.rss();
    const told: unknown[] = [];
    let asked = 0;
    let over = false;
    void liar.exit.then(() => {
      over = true;
    });
    for (; !over && asked < 500; asked += 1) {
      victim.invoke({ ...REQUEST, body }).catch((error: unknown) => told.push(error));
      await turn();
    }
    expect(await liar.exit).toContain('the host does not read');
    expect(asked * body.length).toBeGreaterThan(CHANNEL_LIMITS.backlogBytes * 0.9);
    await until(() => told.length === asked, 'all are told');
    expect(process.memoryUsage.rss() - before).toBeLessThan(4 * CHANNEL_LIMITS.backlogBytes);
    await goesOn();
  });

  test('but asks, a little at a time, makes the core keep what it answers and no more', async () => {
    liar.stopReading();
    // More than the socket takes: from here on everything waits.
    for (let filled = 0; filled < 4; filled += 1) victim.invoke({ ...REQUEST, body }).catch(() => undefined);
    await goesOn();
    Bun.gc(true);
    const before = process.memoryUsage().arrayBuffers;
    for (let id = 1; id <= 6_000; id += 1) {
      await liar.send({ kind: KIND.call, isolate: VICTIM, id, head: '"no.call"', body: '{}' });
      // Each in a turn of its own, so that each answer is queued alone.
      await turn();
    }
    await goesOn();
    Bun.gc(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * MIB);
    expect(victim.gone).toBe(false);
  });
});

test('a host that greets and hangs up at once is noticed', async () => {
  liar.hangUp();
  expect(await liar.exit).toMatch(/ended/);
  await goesOn();
});
