import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import { defineCall, defineRoom } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { Answerer, type Resident } from '../../src/broker/answer.ts';
import type { Room } from '../../src/broker/rooms.ts';
import { createLog } from '../../src/log.ts';
import type { AskedLimits } from '../../src/plugins/limits.ts';
import { type FakeGuest, fakeGuest } from '../kit/fake-guest.ts';
import { plainGate } from '../kit/gate.ts';
import { testQuotas } from '../kit/quotas.ts';
import { until } from '../kit/until.ts';

// Guest calls, with the host process taken as hostile (ADVERSARY 24-29).

const call = (needs?: () => string | null) =>
  defineCall({
    summary: 'A call of the tests.',
    input: Type.Object({ value: Type.Optional(Type.Unknown()) }, { additionalProperties: false }),
    output: Type.Object({ value: Type.Unknown() }, { additionalProperties: false }),
    errors: ['version_conflict'],
    deadlineMs: 10_000,
    ...(needs === undefined ? {} : { needs }),
  });

const testContract = defineRoom({
  name: 'test',
  summary: 'A room of the tests.',
  permissions: [],
  calls: {
    ask: call(),
    hang: call(),
    hangApart: { ...call(), atOnce: 2 },
    guarded: call(() => 'test:guarded'),
    tell: { ...call(), oneway: true },
  },
});

type Handler = (caller: Caller, input: { value?: unknown }) => unknown;

/** An answerer over one room, whose `ask` does as it is told. */
function rig(
  ask: Handler = (_caller, input) => ({ value: input.value ?? null }),
  limits: AskedLimits = {},
  atOnce?: number,
) {
  const { quotas } = testQuotas(limits);
  const logged: Record<string, unknown>[] = [];
  const denied: string[] = [];
  const callers: Caller[] = [];
  const told: unknown[] = [];
  const residents = new Map<number, Resident>([
    [1, { plugin: 'first', version: '1.0.0', grants: [] }],
    [2, { plugin: 'second', version: '2.0.0', grants: ['test:guarded'] }],
  ]);
  const room = {
    contract: atOnce === undefined ? testContract : { ...testContract, atOnce },
    handlers: {
      ask: (caller: Caller, input: { value?: unknown }) => {
        callers.push(caller);
        return ask(caller, input);
      },
      hang: (caller: Caller) => {
        callers.push(caller);
        return new Promise(() => {});
      },
      hangApart: (caller: Caller) => {
        callers.push(caller);
        return new Promise(() => {});
      },
      guarded: (caller: Caller) => {
        callers.push(caller);
        return { value: 'inside' };
      },
      tell: (_caller: Caller, input: { value?: unknown }) => {
        told.push(input.value);
        return { value: null };
      },
    },
  } as unknown as Room;
  const answerer = new Answerer([room], {
    gate: plainGate(),
    log: createLog('info', { write: (line) => logged.push(JSON.parse(line)) }),
    residentOf: (isolate) => residents.get(isolate),
    onDenied: (resident, name) => denied.push(`${resident.plugin} ${name}`),
    onCall: () => undefined,
    quotasOf: (plugin) => quotas.of(plugin),
  });
  const send = (to: FakeGuest, id: number, name: string, input: string | Buffer = '{}', oneway = false) =>
    answerer.onCall(to.guest, { id, name: `"test.${name}"`, input: Buffer.from(input), oneway });
  return { answerer, send, callers, denied, logged, told, residents };
}

describe('who calls', () => {
  test("is what the core's record of the isolate says, whatever the guest sends", async () => {
    const { send, callers, denied } = rig();
    const [first, second] = [fakeGuest({}, 1), fakeGuest({}, 2)];
    await send(first, 1, 'guarded', '{"value":{"plugin":"second","isolate":2,"grants":["test:guarded"]}}');
    await send(second, 1, 'guarded');
    expect((await first.reply(1)).error).toMatchObject({ code: 'permission_denied' });
    expect((await second.reply(1)).value).toEqual({ value: 'inside' });
    expect(callers.map(({ plugin, isolate }) => ({ plugin, isolate }))).toEqual([{ plugin: 'second', isolate: 2 }]);
    expect(denied).toEqual(['first "test.guarded"']);
  });

  test('an isolate that the core has no record of is not answered', async () => {
    const { send, callers } = rig();
    const stranger = fakeGuest({}, 3);
    await send(stranger, 1, 'ask');
    expect(stranger.sent).toEqual([]);
    expect(callers).toEqual([]);
  });

  test('each guest has its own numbers', async () => {
    const { send } = rig();
    const [first, second] = [fakeGuest({}, 1), fakeGuest({}, 2)];
    void send(first, 9, 'hang');
    await send(second, 9, 'ask', '{"value":"of the second"}');
    expect(second.repliesTo(9)).toEqual([{ value: { value: 'of the second' } }]);
    expect(first.repliesTo(9)).toEqual([]);
  });
});

describe('ids', () => {
  test('that are under way already are dropped: one call, one answer', async () => {
    const gate = Promise.withResolvers<unknown>();
    const { send, callers } = rig(() => gate.promise);
    const guest = fakeGuest();
    const calls = [send(guest, 5, 'ask'), send(guest, 5, 'ask'), send(guest, 5, 'hang')];
    gate.resolve({ value: 1 });
    await Promise.all(calls.slice(0, 2));
    expect(guest.repliesTo(5)).toEqual([{ value: { value: 1 } }]);
    expect(callers).toHaveLength(1);
  });

  test('may come again when the first is answered', async () => {
    const { send } = rig();
    const guest = fakeGuest();
    await send(guest, 5, 'ask', '{"value":1}');
    await send(guest, 5, 'ask', '{"value":2}');
    expect(guest.repliesTo(5)).toEqual([{ value: { value: 1 } }, { value: { value: 2 } }]);
  });
});

describe('input', () => {
  const nested = (levels: number) => `{"value":${'['.repeat(levels)}${']'.repeat(levels)}}`;

  test('as deep as the limit passes; deeper is refused, however deep', async () => {
    const { send } = rig();
    const guest = fakeGuest();
    await send(guest, 1, 'ask', nested(CHANNEL_LIMITS.jsonDepth - 1));
    expect(guest.repliesTo(1)[0]?.error).toBeUndefined();
    for (const [id, levels] of [
      [2, CHANNEL_LIMITS.jsonDepth],
      [3, 200_000],
    ] as const) {
      await send(guest, id, 'ask', nested(levels));
      expect(guest.repliesTo(id)[0]?.error?.code).toBe('invalid_input');
    }
  });

  test('brackets inside texts are no depth', async () => {
    const { send } = rig();
    const guest = fakeGuest();
    const value = `"${'['.repeat(1_000)}\\"${'{'.repeat(1_000)}`;
    await send(guest, 1, 'ask', JSON.stringify({ value }));
    expect(guest.repliesTo(1)).toEqual([{ value: { value } }]);
  });

  test('over the size limit is refused before it is parsed', async () => {
    const { send, callers } = rig();
    const guest = fakeGuest();
    await send(guest, 1, 'ask', Buffer.alloc(CHANNEL_LIMITS.callBytes + 1, '['));
    expect(guest.repliesTo(1)[0]?.error).toMatchObject({ code: 'invalid_input' });
    expect(callers).toEqual([]);
  });

  test('cannot pollute a prototype', async () => {
    const { send } = rig((_caller, { value }) => ({ value: { ...(value as object) } }));
    const guest = fakeGuest();
    await send(
      guest,
      1,
      'ask',
      '{"value":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}',
    );
    await send(guest, 2, 'ask', '{"__proto__":{"value":1}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(guest.repliesTo(2)[0]?.value ?? null).not.toEqual({ value: 1 });
  });

  test.each(['', 'null', '"x"', '{"value":1', '\u0000', '{"value":1}}'])(
    'that is no such JSON is refused: %j',
    async (input) => {
      const { send } = rig();
      const guest = fakeGuest();
      await send(guest, 1, 'ask', input);
      expect(guest.repliesTo(1)[0]?.error?.code).toBe('invalid_input');
    },
  );
});

describe('how many', () => {
  test('are worked on at a time is what the room says; the rest wait in order, and another isolate does not wait', async () => {
    const gates: PromiseWithResolvers<unknown>[] = [];
    const { send, callers } = rig(
      () => {
        const gate = Promise.withResolvers<unknown>();
        gates.push(gate);
        return gate.promise;
      },
      {},
      2,
    );
    const [guest, other] = [fakeGuest({}, 1), fakeGuest({}, 2)];
    for (const id of [1, 2, 3, 4]) void send(guest, id, 'ask');
    void send(other, 1, 'ask');
    await until(() => callers.length >= 3, 'the calls that may run');
    expect(callers.map(({ isolate }) => isolate)).toEqual([1, 1, 2]);
    gates[1]?.resolve({ value: 'second' });
    expect((await guest.reply(2)).value).toEqual({ value: 'second' });
    await until(() => callers.length === 4, 'the call that waited');
    gates[3]?.resolve({ value: 'third' });
    expect((await guest.reply(3)).value).toEqual({ value: 'third' });
    expect(guest.repliesTo(1)).toEqual([]);
  });

  test('a call that says how many of it run at a time is counted apart from its room', async () => {
    const { send, callers } = rig(undefined, {}, 1);
    const guest = fakeGuest({}, 1);
    for (const id of [1, 2, 3]) void send(guest, id, 'hangApart');
    await until(() => callers.length === 2, 'two of them run');
    await send(guest, 4, 'ask');
    expect((await guest.reply(4)).error).toBeUndefined();
    expect(callers).toHaveLength(3);
  });

  test('calls may be under way is limited, and a place is free again when one ends', async () => {
    const gate = Promise.withResolvers<unknown>();
    const { send, answerer } = rig(() => gate.promise);
    const guest = fakeGuest();
    const under = Array.from({ length: 256 }, (_, id) => send(guest, id, id === 0 ? 'ask' : 'hang'));
    await send(guest, 1_000, 'ask');
    expect(guest.repliesTo(1_000)[0]?.error).toMatchObject({
      code: 'quota_exceeded',
      extra: { limit: 'hostCallsInFlight', max: 256, resetsAt: null },
    });
    gate.resolve({ value: null });
    await under[0];
    await send(guest, 1_001, 'guarded');
    expect(guest.repliesTo(1_001)[0]?.error?.code).toBe('permission_denied');
    answerer.onGone(guest.guest);
  });

  test('calls may come in a minute is limited by capability, known or not, and another plugin has its own', async () => {
    const { send, answerer, callers } = rig(undefined, { hostCallsPerMinute: { default: 3 } });
    const [first, second] = [fakeGuest({}, 1), fakeGuest({}, 2)];
    const unknown = (id: number) =>
      answerer.onCall(first.guest, { id, name: '"no.call"', input: Buffer.from('{}'), oneway: false });
    for (let id = 1; id <= 5; id += 1) await send(first, id, 'ask');
    expect(callers).toHaveLength(3);
    const extra = { limit: 'hostCallsPerMinute.test', max: 3, resetsAt: expect.stringMatching(/^\d{4}-.*Z$/) };
    expect(first.repliesTo(4)[0]?.error).toMatchObject({ code: 'quota_exceeded', extra });
    for (let id = 11; id <= 14; id += 1) await unknown(id);
    expect(first.repliesTo(13)[0]?.error?.code).toBe('unknown_call');
    expect(first.repliesTo(14)[0]?.error?.code).toBe('quota_exceeded');
    await send(second, 1, 'ask');
    expect(second.repliesTo(1)[0]?.error).toBeUndefined();
  });

  test('a call without an answer is told nothing, whatever comes of it', async () => {
    const { send, told } = rig();
    const guest = fakeGuest();
    await send(guest, 0, 'tell', '{"value":"a line"}', true);
    await send(guest, 0, 'tell', '{"wrong":1}', true);
    await send(guest, 0, 'nothing', '{}', true);
    expect(told).toEqual(['a line']);
    expect(guest.sent).toEqual([]);
  });
});

describe('giving up', () => {
  test('by the guest aborts the handler, and answers aborted', async () => {
    const { send, answerer, callers } = rig();
    const guest = fakeGuest();
    const under = send(guest, 1, 'hang');
    answerer.onCallAbort(guest.guest, 2);
    expect(callers[0]?.signal.aborted).toBe(false);
    answerer.onCallAbort(guest.guest, 1);
    await under;
    expect(callers[0]?.signal.aborted).toBe(true);
    expect(guest.repliesTo(1)).toMatchObject([{ error: { code: 'aborted' } }]);
  });

  test('when the isolate goes aborts all of its handlers, and nobody else’s', async () => {
    const { send, answerer, callers } = rig();
    const [first, second] = [fakeGuest({}, 1), fakeGuest({}, 2)];
    const under = [send(first, 1, 'hang'), send(first, 2, 'hang')];
    void send(second, 1, 'hang');
    answerer.onGone(first.guest);
    await Promise.all(under);
    expect(callers.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  });
});

describe('what a handler does wrong stays inside the core', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('at /srv/secret/path');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('at /srv/secret/path'))],
    [
      'answers a code that is not its own',
      () => {
        throw new CodedError('conflict', 'at /srv/secret/path');
      },
    ],
    ['answers what its contract does not allow', () => ({ other: '/srv/secret/path' })],
  ] as [string, Handler][])('when it %s the guest gets an id, and the log the rest', async (_what, handler) => {
    const { send, logged } = rig(handler);
    const guest = fakeGuest();
    await send(guest, 1, 'ask');
    const { error } = await guest.reply(1);
    expect(error?.code).toBe('internal');
    expect(JSON.stringify(error)).not.toContain('secret');
    expect(logged).toMatchObject([
      { level: 'error', plugin: 'first', call: 'test.ask', errorId: error?.extra.errorId },
    ]);
  });

  test('a code of its contract passes, with its message and members', async () => {
    const { send } = rig(() => {
      throw new CodedError('version_conflict', 'it changed', { current: 3 });
    });
    const guest = fakeGuest();
    await send(guest, 1, 'ask');
    expect((await guest.reply(1)).error).toEqual({
      code: 'version_conflict',
      message: 'it changed',
      extra: { current: 3 },
    });
  });

  test('an answer that is too large to travel is refused', async () => {
    const { send } = rig(() => ({ value: 'é'.repeat(CHANNEL_LIMITS.inlineBodyBytes / 2) }));
    const guest = fakeGuest();
    await send(guest, 1, 'ask');
    expect((await guest.reply(1)).error?.code).toBe('quota_exceeded');
  });
});
