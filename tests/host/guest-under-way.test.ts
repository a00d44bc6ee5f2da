import { expect, test } from 'bun:test';
import { KIND } from '../../runtime/protocol/messages.ts';
import type { Guest, Loss, UnderWay } from '../../src/host/guest.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

// What an isolate was busy with when it was lost, for its post-mortem.

const ask = (guest: Guest, what: string, deadlineMs = 60_000, cancelled = () => false) =>
  void guest.invoke({ lane: 1, what, payload: 'null', deadlineMs, cancelled }).catch(() => undefined);
const names = (underWay: readonly UnderWay[] | undefined) => underWay?.map(({ what }) => what);

test('a loss tells what was under way, although it is settled by then', () => {
  const losses: Loss[] = [];
  const { guest } = fakeGuest({ onGone: (_guest, loss) => losses.push(loss) });
  ask(guest, 'GET /one');
  ask(guest, 'event a.b');
  guest.onGone({ reason: 'cpu', error: null, verdict: 'culprit', detail: 'a test' });
  expect(losses).toMatchObject([{ underWay: [{ what: 'GET /one' }, { what: 'event a.b' }] }]);
  expect(losses[0]?.underWay[0]?.ms).toBeGreaterThanOrEqual(0);
});

test('a deadline tells the call that went over it, and the others', () => {
  const late: (readonly UnderWay[])[] = [];
  const { guest } = fakeGuest({ onDeadline: (_guest, underWay) => late.push(underWay) });
  ask(guest, 'GET /quick');
  ask(guest, 'GET /never', 1);
  guest.expire(performance.now() + 1_000);
  expect(late.map(names)).toEqual([['GET /quick', 'GET /never']]);
});

test('what nobody waits for any more is under way until the guest has ended it', () => {
  const { guest } = fakeGuest();
  ask(guest, 'GET /left', 60_000, () => true);
  ask(guest, 'GET /also-left', 60_000, () => true);
  guest.expire(performance.now());
  expect(guest.inFlight).toBe(0);
  expect(names(guest.underWay())).toEqual(['GET /left', 'GET /also-left']);
  const result = { flags: 0, lane: 0, isolate: 1, head: '{}', body: Buffer.alloc(0) };
  guest.receive({ ...result, kind: KIND.result, id: 1 });
  expect(names(guest.underWay())).toEqual(['GET /also-left']);
});

test('of what was given up the last 20 are told', () => {
  const { guest } = fakeGuest();
  for (let at = 0; at < 100; at += 1) ask(guest, `GET /${at}`, 60_000, () => true);
  guest.expire(performance.now());
  expect(names(guest.underWay())).toEqual(Array.from({ length: 20 }, (_, at) => `GET /${at + 80}`));
});
