import { expect, test } from 'bun:test';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import type { Guest, UnderWay } from '../../src/host/guest.ts';
import { Inspection } from '../../src/host/inspection.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

// The core's end of an inspector: what it believes of the host, and the clock that stands still.

function inspected(onDeadline: (guest: Guest, underWay: readonly UnderWay[]) => void = () => undefined) {
  const fake = fakeGuest({ onDeadline });
  const { guest, sent } = fake;
  const channel = { send: (...frame: unknown[]) => void sentKinds.push(frame[0] as number) };
  const sentKinds: number[] = [];
  const inspection = new Inspection(guest.id, channel);
  guest.inspection = inspection;
  const messages: string[] = [];
  const ends: string[] = [];
  const begin = () =>
    inspection.begin({ onMessage: (message) => messages.push(message), onEnd: (reason) => ends.push(reason) });
  const say = (text: string, flags: number = FLAG.last) =>
    guest.receive({
      kind: KIND.inspected,
      flags,
      lane: 0,
      isolate: guest.id,
      id: 0,
      head: '',
      body: Buffer.from(text),
    });
  return { guest, inspection, messages, ends, begin, say, sent, sentKinds };
}
const PAUSED = '{"method":"Debugger.paused","params":{}}';
const RESUMED = '{"method":"Debugger.resumed","params":{}}';
const ask = (guest: Guest, deadlineMs: number) =>
  guest.invoke({ lane: 1, what: 'GET /', payload: 'null', deadlineMs }).then(
    () => 'answered',
    (error: { code: string }) => error.code,
  );

test('while it is paused no deadline passes; afterwards each has what was left of it', async () => {
  const { guest, begin, say, inspection } = inspected();
  begin();
  const before = ask(guest, 1_000);
  say(PAUSED);
  const during = ask(guest, 1_000);
  const now = performance.now();
  guest.expire(now + 3_600_000);
  expect(guest.calls).toBe(2);
  expect(inspection.pausedMs(now + 3_600_000)).toBeGreaterThan(3_599_000);
  say(RESUMED);
  guest.expire(performance.now() + 500);
  expect(guest.calls).toBe(2);
  guest.expire(performance.now() + 1_500);
  expect(await Promise.all([before, during])).toEqual(['plugin_deadline', 'plugin_deadline']);
});

test('a host that says so without a session, or after it, stops no clock', async () => {
  const { guest, begin, say, inspection, messages } = inspected();
  say(PAUSED);
  const first = ask(guest, 10);
  guest.expire(performance.now() + 1_000);
  expect(await first).toBe('plugin_deadline');
  begin();
  say(PAUSED);
  inspection.end('enough');
  say(PAUSED);
  const second = ask(guest, 10);
  guest.expire(performance.now() + 1_000);
  expect(await second).toBe('plugin_deadline');
  expect(messages).toEqual([PAUSED]);
});

test('messages come in pieces; one that never ends is too much', () => {
  const { begin, say, messages, ends, sentKinds } = inspected();
  begin();
  say('{"id":1,', 0);
  say('"result":{}}');
  expect(messages).toEqual(['{"id":1,"result":{}}']);
  const piece = 'x'.repeat(8 * 1024 * 1024);
  for (let count = 0; count < 9; count += 1) say(piece, 0);
  expect(ends).toEqual(['it said more than is taken']);
  expect(sentKinds).toEqual([KIND.inspectEnd]);
});

test('there is one session in its life, which ends once', () => {
  const { begin, inspection, ends, guest, sentKinds } = inspected();
  begin();
  expect(begin).toThrow('inspected or measured');
  inspection.send('{"id":1,"method":"Debugger.enable"}');
  inspection.end('one');
  inspection.end('two');
  guest.onGone({ reason: 'cpu', error: null, verdict: 'culprit', detail: 'a test' });
  expect(ends).toEqual(['one']);
  expect(begin).toThrow('inspected or measured');
  inspection.send('{"id":2,"method":"Debugger.enable"}');
  expect(sentKinds).toEqual([KIND.inspect, KIND.inspectEnd]);
});

test('the loss of the isolate ends it; a message that is too long is refused', () => {
  const { begin, inspection, ends, guest } = inspected();
  begin();
  expect(() => inspection.send('x'.repeat(1_048_577))).toThrow('at most 1048576 bytes');
  guest.onGone({ reason: 'host', error: null, verdict: 'bystander', detail: 'a test' });
  expect(ends).toEqual(['its isolate is gone']);
});
