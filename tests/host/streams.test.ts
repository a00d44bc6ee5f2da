import { describe, expect, test } from 'bun:test';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import { GuestStreams } from '../../src/host/streams.ts';

interface Message {
  readonly kind: number;
  readonly flags: number;
  readonly id: number;
  readonly head: string;
  readonly body: Uint8Array | null;
}

const WINDOW = CHANNEL_LIMITS.streamWindowBytes;

/** The core's end, with what it sends kept. */
function rig() {
  const sent: Message[] = [];
  let ends = 0;
  const streams = new GuestStreams(
    (kind, flags, id, head, body) => sent.push({ kind, flags, id, head, body: body === null ? null : body.slice() }),
    () => {
      ends += 1;
    },
  );
  const of = (kind: number): Message[] => sent.filter((message) => message.kind === kind);
  return { streams, sent, of, ends: () => ends };
}

const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(7);

/** Lets what is pending come to rest. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A source that gives pieces of `size` as long as somebody takes them. */
function endless(size: number): { stream: ReadableStream<Uint8Array>; cancelled: () => unknown } {
  let reason: unknown = null;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => controller.enqueue(bytes(size)),
      cancel: (why) => {
        reason = why;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, cancelled: () => reason };
}

async function all(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

describe('to the guest', () => {
  test('goes out in chunks, with a mark at the end', async () => {
    const { streams, of, ends } = rig();
    const id = streams.send(new Blob([bytes(CHANNEL_LIMITS.chunkBytes + 5)]).stream());
    await settle();
    const chunks = of(KIND.chunk);
    expect(chunks.every((chunk) => chunk.id === id)).toBe(true);
    expect(chunks.reduce((sum, { body }) => sum + (body?.length ?? 0), 0)).toBe(CHANNEL_LIMITS.chunkBytes + 5);
    expect(Math.max(...chunks.map(({ body }) => body?.length ?? 0))).toBeLessThanOrEqual(CHANNEL_LIMITS.chunkBytes);
    expect(chunks.at(-1)).toMatchObject({ flags: FLAG.last, body: null });
    expect([streams.size, ends()]).toEqual([0, 1]);
  });

  test('is never more than a window ahead of its reader', async () => {
    const { streams, of } = rig();
    const id = streams.send(endless(10_000).stream);
    const ahead = (): number => of(KIND.chunk).reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
    await settle();
    expect(ahead()).toBeLessThanOrEqual(WINDOW);
    const before = ahead();
    await settle();
    expect(ahead()).toBe(before);
    streams.onCredit(id, 20_000);
    await settle();
    expect(ahead()).toBe(before + 20_000);
    // Credit that nobody owes is worth a window at most.
    streams.onCredit(id, Number.MAX_SAFE_INTEGER);
    await settle();
    expect(ahead()).toBeLessThanOrEqual(before + 20_000 + WINDOW);
    streams.close(new Error('over'));
  });

  test('ends at its source when the guest gives up, or the core does', async () => {
    const { streams, of } = rig();
    const [first, second] = [endless(10), endless(10)];
    const ids = [streams.send(first.stream), streams.send(second.stream)] as const;
    await settle();
    streams.onAbort(ids[0], 0, '');
    expect(first.cancelled()).toBeInstanceOf(Error);
    expect(of(KIND.streamAbort)).toEqual([]);
    streams.end(ids[1]);
    expect(second.cancelled()).toBeInstanceOf(Error);
    expect(of(KIND.streamAbort)).toMatchObject([{ id: ids[1], flags: FLAG.error }]);
    expect(streams.size).toBe(0);
    streams.end(ids[1]);
    expect(of(KIND.streamAbort)).toHaveLength(1);
  });

  test('a source that fails tells the guest', async () => {
    const { streams, of } = rig();
    streams.send(
      new ReadableStream({
        pull(controller) {
          controller.error(new Error('the client left'));
        },
      }),
    );
    await settle();
    expect(of(KIND.streamAbort)).toMatchObject([{ flags: FLAG.error, head: '{"message":"the client left"}' }]);
    expect(streams.size).toBe(0);
  });

  test('is limited in number', () => {
    const { streams } = rig();
    for (let count = 0; count < 1_024; count += 1) streams.send(endless(1).stream);
    expect(() => streams.send(endless(1).stream)).toThrow(expect.objectContaining({ code: 'quota_exceeded' }));
    streams.close(new Error('over'));
    expect(streams.size).toBe(0);
  });
});

describe('from the guest', () => {
  test('is read as it comes, and gives credit for what was taken', async () => {
    const { streams, of, ends } = rig();
    streams.onChunk(4, FLAG.binary, bytes(100));
    const read = all(streams.receive(4));
    streams.onChunk(4, FLAG.binary, bytes(50));
    streams.onChunk(4, FLAG.last, bytes(0));
    expect(await read).toBe(150);
    expect(of(KIND.credit).reduce((sum, { head }) => sum + Number(head), 0)).toBe(150);
    expect([streams.size, ends()]).toEqual([0, 1]);
  });

  test('a guest that sends more than its window breaks the rules', () => {
    const { streams } = rig();
    streams.receive(1);
    expect(streams.onChunk(1, FLAG.binary, bytes(WINDOW))).toBe(true);
    expect(streams.onChunk(1, FLAG.binary, bytes(1))).toBe(false);
  });

  test('so does one that goes on after the end, or opens too many', () => {
    const { streams } = rig();
    streams.onChunk(1, FLAG.last, bytes(0));
    expect(streams.onChunk(1, FLAG.binary, bytes(1))).toBe(false);
    let opened = 1;
    for (let id = 2; streams.onChunk(id, FLAG.binary, bytes(1)); id += 1) opened += 1;
    expect(opened).toBe(1_024);
  });

  test('is read once', () => {
    const { streams } = rig();
    streams.receive(3);
    expect(() => streams.receive(3)).toThrow('cannot be read');
  });

  test('one that breaks tells the watch why, and the reader that', async () => {
    const { streams } = rig();
    const told: string[] = [];
    const watch = { onBroken: (error: Error) => told.push(error.message), onEnd: () => told.push('end') };
    const reader = streams.receive(1, watch).getReader();
    const read = reader.read().then(
      () => 'read',
      (reason: unknown) => reason,
    );
    streams.onAbort(1, FLAG.error, 'on purpose');
    expect(await read).toBeUndefined();
    expect(told).toEqual(['end', 'on purpose']);
    const plain = streams.receive(2).getReader().read();
    streams.onAbort(2, FLAG.error, 'on purpose');
    await expect(plain).rejects.toThrow('on purpose');
  });

  test('2,000 that are cancelled while their chunks are on the way leave nothing, and break no rule', async () => {
    const { streams, of, ends } = rig();
    for (let id = 1; id <= 2_000; id += 1) {
      streams.onChunk(id, FLAG.binary, bytes(10));
      await streams.receive(id).cancel();
      expect(streams.onChunk(id, FLAG.binary, bytes(10))).toBe(true);
      expect(streams.onChunk(id, FLAG.last, bytes(0))).toBe(true);
    }
    expect(streams.size).toBe(0);
    expect(ends()).toBe(2_000);
    expect(of(KIND.streamAbort)).toHaveLength(2_000);
  });

  test('all end when the guest is gone, also those that are read later', async () => {
    const { streams } = rig();
    const [now, later] = [streams.receive(1).getReader(), streams.receive(2).getReader()];
    const reading = now.read();
    streams.onChunk(2, FLAG.binary, bytes(10));
    streams.close(new Error('the plugin is being restarted'));
    await expect(reading).rejects.toThrow('being restarted');
    await expect(later.read()).rejects.toThrow('being restarted');
    expect(streams.size).toBe(0);
  });
});
