import { describe, expect, test } from 'bun:test';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import { capabilityOff } from '../../sandbox-apis/_kit/errors.ts';
import { GuestStreams } from '../../src/host/streams.ts';

// A capability is cut while streams are under way.

const OFF = capabilityOff('fetch', null);
const chunk = new Uint8Array([1, 2, 3]);

function rig() {
  const sent: { kind: number; flags: number; id: number; head: string }[] = [];
  const streams = new GuestStreams(
    (kind, flags, id, head) => sent.push({ kind, flags, id, head }),
    () => undefined,
  );
  const aborts = () => sent.filter(({ kind }) => kind === KIND.streamAbort);
  return { streams, aborts };
}

/** A source that gives one chunk and then nothing. */
function stuck() {
  let reason: unknown = null;
  let given = false;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (given) return new Promise(() => undefined);
      given = true;
      controller.enqueue(chunk);
      return undefined;
    },
    cancel: (why) => {
      reason = why;
    },
  });
  return { stream, cancelled: () => reason };
}

describe('to the guest', () => {
  test('those of the capability end with the reason as an error of the gate; others go on', () => {
    const { streams, aborts } = rig();
    const [cut, kept, plain] = [stuck(), stuck(), stuck()];
    const id = streams.send(cut.stream, 'fetch');
    streams.send(kept.stream, 'files');
    streams.send(plain.stream);
    streams.cut('fetch', OFF);
    expect(cut.cancelled()).toBe(OFF);
    expect([kept.cancelled(), plain.cancelled(), streams.size]).toEqual([null, null, 2]);
    const head = { code: 'permission_denied', message: OFF.message, extra: OFF.extra };
    expect(aborts()).toEqual([{ kind: KIND.streamAbort, flags: FLAG.error, id, head: JSON.stringify(head) }]);
  });

  test('one that breaks by itself with a coded error says its code', async () => {
    const { streams, aborts } = rig();
    streams.send(
      new ReadableStream({
        pull: () => {
          throw OFF;
        },
      }),
    );
    while (aborts().length === 0) await Promise.resolve();
    expect(JSON.parse(aborts()[0]?.head ?? '')).toMatchObject({ code: 'permission_denied', extra: OFF.extra });
  });
});

describe('from the guest', () => {
  test('the reader gets the reason, the writer is told to stop, and what still comes is dropped', async () => {
    const { streams, aborts } = rig();
    const reader = streams.receive(1, { capability: 'fetch' }).getReader();
    const other = streams.receive(2, { capability: 'files' }).getReader();
    streams.onChunk(1, FLAG.binary, chunk);
    expect(await reader.read()).toEqual({ done: false, value: chunk });
    const waiting = reader.read();
    streams.cut('fetch', OFF);
    expect(await waiting.catch((error: unknown) => error)).toBe(OFF);
    expect(aborts()).toEqual([{ kind: KIND.streamAbort, flags: 0, id: 1, head: '' }]);
    expect(streams.onChunk(1, FLAG.last, chunk)).toBe(true);
    expect(streams.size).toBe(1);
    streams.onChunk(2, FLAG.last, chunk);
    expect(await other.read()).toEqual({ done: false, value: chunk });
  });

  test('whoever was told to watch hears of it, also when nobody is reading at that moment', async () => {
    const { streams } = rig();
    const heard: string[] = [];
    const stream = streams.receive(1, {
      capability: 'api',
      onBroken: (error) => heard.push(error.message),
      onEnd: () => heard.push('end'),
    });
    streams.onChunk(1, FLAG.binary, chunk);
    streams.cut('api', OFF);
    const reader = stream.getReader();
    await reader.read().catch(() => heard.push('reader'));
    expect(heard).toEqual(['end', OFF.message, 'reader']);
    expect(streams.size).toBe(0);
  });
});
