import { expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { KIND } from '../../runtime/protocol/messages.ts';
import { type Caller, defineCall, defineRoom } from '../../sandbox-apis/_kit/contract.ts';
import { capabilityOff } from '../../sandbox-apis/_kit/errors.ts';
import { Answerer } from '../../src/broker/answer.ts';
import type { Room } from '../../src/broker/rooms.ts';
import { createLog } from '../../src/log.ts';
import { type FakeGuest, fakeGuest } from '../kit/fake-guest.ts';
import { plainGate } from '../kit/gate.ts';

// A capability is cut while calls are under way.

const call = {
  summary: 'A call of the tests.',
  input: Type.Object({}),
  output: Type.Object({ stream: Type.Optional(Type.Integer()) }),
  errors: [],
  deadlineMs: 10_000,
};
const calls = { hang: defineCall(call), register: defineCall({ ...call, registers: true }), open: defineCall(call) };

function rig() {
  const denied: string[] = [];
  const cancelled: unknown[] = [];
  const room = (name: string): Room => {
    const contract = defineRoom({ name, summary: 'A room of the tests.', permissions: [], calls });
    const hang = () => new Promise(() => undefined);
    const open = ({ sendStream }: Caller) => ({
      stream: sendStream(
        new ReadableStream({
          pull: () => new Promise(() => undefined),
          cancel: (why) => void cancelled.push(why),
        }),
      ),
    });
    return { contract, handlers: { hang, register: hang, open } } as unknown as Room;
  };
  const answerer = new Answerer([room('fetch'), room('files')], {
    gate: plainGate(),
    log: createLog('silent'),
    residentOf: (isolate) => ({ plugin: isolate === 3 ? 'second' : 'first', version: '1.0.0', grants: [] }),
    onDenied: ({ plugin }, name, { extra }) => denied.push(`${plugin} ${name} ${extra.capability}`),
    onCall: () => undefined,
    quotasOf: () => ({ countCall: () => undefined, beginCall: () => undefined, endCall: () => undefined }),
  });
  let lastId = 0;
  const send = (to: FakeGuest, name: string) => {
    lastId += 1;
    const input = Buffer.from('{}');
    return { id: lastId, done: answerer.onCall(to.guest, { id: lastId, name: `"${name}"`, input, oneway: false }) };
  };
  return { answerer, send, denied, cancelled };
}

test('calls and streams of that capability end in every isolate of the plugin, and are written down as refusals', async () => {
  const { answerer, send, denied, cancelled } = rig();
  const [draining, live, stranger] = [fakeGuest({}, 1), fakeGuest({}, 2), fakeGuest({}, 3)];
  const ended = [send(draining, 'fetch.hang'), send(live, 'fetch.hang')];
  const going = [send(live, 'files.hang'), send(live, 'fetch.register'), send(stranger, 'fetch.hang')];
  await send(live, 'fetch.open').done;
  await send(live, 'files.open').done;
  await send(stranger, 'fetch.open').done;

  const off = capabilityOff('fetch', null);
  answerer.cut('first', 'fetch', off);
  await Promise.all(ended.map(({ done }) => done));

  for (const [at, guest] of [draining, live].entries()) {
    const [reply] = guest.repliesTo(ended[at]?.id as number);
    expect(reply?.error).toMatchObject({ code: 'permission_denied', message: off.message, extra: off.extra });
  }
  expect(cancelled).toEqual([off]);
  expect(live.sent.filter(({ kind }) => kind === KIND.streamAbort)).toHaveLength(1);
  expect(stranger.sent.filter(({ kind }) => kind === KIND.streamAbort)).toEqual([]);
  for (const { id } of going) expect([...live.repliesTo(id), ...stranger.repliesTo(id)]).toEqual([]);
  expect(denied).toEqual(['first "fetch.hang" fetch', 'first "fetch.hang" fetch']);
});
