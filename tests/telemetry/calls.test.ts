import { expect, test } from 'bun:test';
import type { GuestCall } from '../../src/host/guest.ts';
import { originOf } from '../../src/telemetry/calls.ts';
import { newScope, type Scope } from '../../src/telemetry/scope.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

const call = (name: string): GuestCall => ({ id: 1, name, input: Buffer.from('null'), oneway: false });

function guestWith(...scopes: (Scope | undefined)[]) {
  const { guest, sent } = fakeGuest();
  for (const scope of scopes) {
    const request = { lane: 1, what: 'a handler', payload: '{}', deadlineMs: 1_000, ...(scope && { scope }) };
    guest.invoke(request).catch(() => undefined);
  }
  return { guest, sent };
}

test('only a traced invocation tells the guest so', () => {
  const { sent } = guestWith(undefined, newScope('one', null));
  expect(sent.map(({ head }) => head)).toEqual(['{"p":{}}', '{"p":{},"t":1}']);
});

test('a call is of the invocation whose number it bears', () => {
  const [one, two] = [newScope('one', null), newScope('two', null)];
  const { guest } = guestWith(one, two);
  expect(originOf(guest, call('2"storage.get"'))).toEqual({ name: '"storage.get"', scope: two });
  expect(originOf(guest, call('1"storage.get"'))).toEqual({ name: '"storage.get"', scope: one });
});

test('a call without a number is of the only invocation under way, or of nobody', () => {
  const one = newScope('one', null);
  expect(originOf(guestWith(one).guest, call('"log.write"')).scope).toBe(one);
  expect(originOf(guestWith(one, newScope('two', null)).guest, call('"log.write"')).scope).toBeNull();
  expect(originOf(guestWith().guest, call('"log.write"')).scope).toBeNull();
});

test.each(['3"storage.get"', '0"storage.get"', '-1"storage.get"', '1e0x"storage.get"', '99999999999"storage.get"', ''])(
  'what is under way nowhere (%p) is nobody’s',
  (name) => {
    const { guest } = guestWith(newScope('one', null), newScope('two', null));
    expect(originOf(guest, call(name)).scope).toBeNull();
  },
);

test('an invocation that is over owns nothing any more', async () => {
  const { guest } = guestWith(newScope('one', null));
  guest.dispose();
  expect(originOf(guest, call('1"storage.get"')).scope).toBeNull();
});
