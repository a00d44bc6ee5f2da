import { describe, expect, test } from 'bun:test';
import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import type { NewRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { createEventsBroker, type EventsDeps } from '../../sandbox-apis/events/broker.ts';
import { testCaller } from '../kit/caller.ts';

function setUp(options: Partial<EventsDeps> = {}) {
  const published: { name: string; data: unknown; source: string }[] = [];
  const added: [plugin: string, NewRegistration][] = [];
  const removed: [plugin: string, id: number][] = [];
  const broker = createEventsBroker({
    registrations: {
      add: (caller: Caller, registration) => added.push([caller.plugin, registration]),
      remove: (caller: Caller, id) => removed.push([caller.plugin, id]),
    },
    publish: async (event) => `id-${published.push(event)}`,
    ...options,
  });
  return { broker, published, added, removed };
}

const billing = testCaller({ plugin: 'billing' }).caller;

describe('events broker', () => {
  test('on adds a subscription of the caller, off removes it', async () => {
    const { broker, added, removed } = setUp();
    expect(await broker.on(billing, { pattern: 'user.*', once: true, handler: 7 })).toEqual({ id: 1 });
    expect(added).toEqual([['billing', { kind: 'subscription', pattern: 'user.*', once: true, handler: 7 }]]);
    expect(await broker.off(billing, { id: 1 })).toEqual({});
    expect(removed).toEqual([['billing', 1]]);
  });

  test("emit publishes in the caller's namespace and answers the id", async () => {
    const { broker, published } = setUp();
    expect(await broker.emit(billing, { name: 'invoice.paid', data: { n: 1 } })).toEqual({ id: 'id-1' });
    expect(published).toEqual([{ name: 'plugin.billing.invoice.paid', data: { n: 1 }, source: 'billing' }]);
  });

  test('emit cannot leave the namespace by a name of another', async () => {
    const { broker, published } = setUp();
    await broker.emit(billing, { name: 'plugin.other.x', data: null });
    expect(published[0]?.name).toBe('plugin.billing.plugin.other.x');
  });

  test('emit refuses a name that is too long with its namespace', async () => {
    const { broker, published } = setUp();
    const name = 'a.b.c.d.e.f.g.h';
    await expect(broker.emit(billing, { name, data: null })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(published).toEqual([]);
  });

  test('emit has a quota a plugin', async () => {
    const { broker, published } = setUp({ emitsPerMinute: 2 });
    const emit = (caller: Caller) => broker.emit(caller, { name: 'x', data: null });
    await emit(billing);
    await emit(billing);
    await expect(emit(billing)).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringMatching(/^More than 2 events a minute; it resets at \S+Z$/),
      extra: { limit: 'emitsPerMinute', max: 2, resetsAt: expect.stringMatching(/Z$/) },
    });
    // A reload does not reset it, and others have their own.
    await expect(emit(testCaller({ plugin: 'billing', isolate: 9 }).caller)).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    await emit(testCaller({ plugin: 'other' }).caller);
    expect(published.map(({ source }) => source)).toEqual(['billing', 'billing', 'other']);
  });
});
