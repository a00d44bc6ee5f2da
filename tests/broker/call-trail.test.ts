import { expect, test } from 'bun:test';
import { CallTrail } from '../../src/broker/call-trail.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

const { guest } = fakeGuest();

test('the calls of an isolate, the oldest first, with how each ended', () => {
  const trail = new CallTrail();
  expect(trail.of(guest)).toEqual([]);
  trail.begin(guest, '"storage.get"').end('ok');
  const refused = trail.begin(guest, '"fetch.request"');
  refused.permission = 'network:example.com';
  refused.end('permission_denied');
  refused.end('ok');
  trail.begin(guest, '"storage.set"');
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
  const ms = expect.any(Number);
  expect(trail.of(guest)).toEqual([
    { call: 'storage.get', permission: null, at, ms, outcome: 'ok' },
    { call: 'fetch.request', permission: 'network:example.com', at, ms, outcome: 'permission_denied' },
    { call: 'storage.set', permission: null, at, ms, outcome: 'pending' },
  ]);
  expect(Math.abs(Date.parse(trail.of(guest)[0]?.at ?? '') - Date.now())).toBeLessThan(60_000);
});

test('the last 20 are kept, also when one of those before them never ended', () => {
  const trail = new CallTrail();
  const first = trail.begin(guest, '"call.0"');
  for (let at = 1; at <= 50; at += 1) trail.begin(guest, `"call.${at}"`).end('ok');
  first.end('ok');
  expect(trail.of(guest).map(({ call }) => call)).toEqual(Array.from({ length: 20 }, (_, at) => `call.${at + 31}`));
});

test('what is over is of its own length, what is pending goes on', () => {
  const trail = new CallTrail();
  trail.begin(guest, '"over"').end('ok');
  const pending = trail.begin(guest, '"pending"');
  const end = performance.now() + 2;
  while (performance.now() < end);
  const [over, under] = trail.of(guest);
  expect(over?.ms).toBeLessThan(under?.ms ?? 0);
  expect(under?.ms).toBeGreaterThanOrEqual(1.9);
  pending.end('ok');
});

test('each isolate has its own, until it is dropped', () => {
  const trail = new CallTrail();
  const other = fakeGuest({}, 2).guest;
  trail.begin(guest, '"of.one"');
  trail.begin(other, '"of.other"');
  trail.drop(guest);
  expect(trail.of(guest)).toEqual([]);
  expect(trail.of(other)).toHaveLength(1);
});

test('a name that no call has is not kept when it is long', () => {
  const trail = new CallTrail();
  trail.begin(guest, `"${'x'.repeat(100_000)}"`).end('unknown_call');
  trail.begin(guest, 'no JSON\n').end('unknown_call');
  expect(trail.of(guest).map(({ call }) => call)).toEqual(['a name of 100002 characters', 'no JSON\n']);
});
