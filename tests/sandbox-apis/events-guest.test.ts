import { describe, expect, test } from 'bun:test';
import { createEvents } from '../../sandbox-apis/events/guest.ts';
import { fakeHost } from '../events/guest-host.ts';

const DELIVERED = {
  id: 'e1',
  name: 'user.created',
  data: { email: 'a@b' },
  time: '2026-01-01T00:00:00.000Z',
  attempt: 2,
};
const INFO = { id: 'e1', name: 'user.created', time: '2026-01-01T00:00:00.000Z', attempt: 2 };

function setUp() {
  const fake = fakeHost({ 'events.emit': { id: 'e9' } });
  const events = createEvents(fake.host);
  const got: unknown[][] = [];
  const note = (...args: unknown[]) => void got.push(args);
  const at = (index: number) => {
    const registration = fake.registered[index];
    if (!registration) throw new Error(`nothing registered at ${index}`);
    return registration;
  };
  return { fake, events, got, note, at };
}

describe('streamspace.events', () => {
  test('on registers the pattern and hands over data and event', async () => {
    const { events, got, note, at } = setUp();
    events.on('user.*', note);
    expect(at(0)).toMatchObject({ call: 'events.on', input: { pattern: 'user.*', once: false } });
    await at(0).invoke(DELIVERED);
    expect(got).toEqual([[{ email: 'a@b' }, INFO]]);
  });

  test('an error of the handler goes back to the core', async () => {
    const { events, at } = setUp();
    events.on('user.*', async () => {
      throw new Error('later');
    });
    await expect(at(0).invoke(DELIVERED)).rejects.toThrow('later');
  });

  test('the function that on returns ends the subscription, once', async () => {
    const { fake, events, got, note, at } = setUp();
    const end = events.on('user.*', note);
    await at(0).accept(5);
    end();
    end();
    expect(fake.sent).toEqual([['events.off', { id: 5 }]]);
    expect(at(0).released).toBe(true);
    await at(0).invoke(DELIVERED);
    expect(got).toEqual([]);
  });

  test('what is ended before the core has answered is taken back when it has', async () => {
    const { fake, events, note, at } = setUp();
    events.on('user.*', note)();
    expect(fake.sent).toEqual([]);
    await at(0).accept(5);
    expect(fake.sent).toEqual([['events.off', { id: 5 }]]);
  });

  test('off ends by name and handler, or all of a name', async () => {
    const { fake, events, note, at } = setUp();
    const other = () => {};
    events.on('user.*', note);
    events.on('user.*', other);
    events.on('session.*', note);
    for (const index of [0, 1, 2]) await at(index).accept(index + 1);
    events.off('user.*', note);
    expect(fake.sent).toEqual([['events.off', { id: 1 }]]);
    events.off('user.*');
    expect(fake.sent).toEqual([
      ['events.off', { id: 1 }],
      ['events.off', { id: 2 }],
    ]);
    events.off('nothing.*');
    expect(fake.sent).toHaveLength(2);
  });

  test('once takes one event, and no second one while the first runs', async () => {
    const { fake, events, got, note, at } = setUp();
    const gate = Promise.withResolvers<void>();
    events.once('user.*', async (data) => {
      note(data);
      await gate.promise;
    });
    await at(0).accept(5);
    const first = at(0).invoke(DELIVERED);
    await at(0).invoke(DELIVERED);
    gate.resolve();
    await first;
    await at(0).invoke(DELIVERED);
    expect(got).toEqual([[{ email: 'a@b' }]]);
    expect(fake.sent).toEqual([['events.off', { id: 5 }]]);
  });

  test('once takes the retry of an event that it failed', async () => {
    const { fake, events, at } = setUp();
    const outcomes = ['first', 'ok'];
    events.once('user.*', async () => {
      if (outcomes.shift() === 'first') throw new Error('first');
    });
    await at(0).accept(5);
    await expect(at(0).invoke(DELIVERED)).rejects.toThrow('first');
    expect(fake.sent).toEqual([]);
    await at(0).invoke(DELIVERED);
    expect(outcomes).toEqual([]);
    expect(fake.sent).toEqual([['events.off', { id: 5 }]]);
  });

  test('a refused subscription is forgotten: there is nothing to take back', async () => {
    const { fake, events, note, at } = setUp();
    const end = events.on('user.*', note);
    await at(0).refuse(new Error('Permission "events:subscribe:user.*" is not granted'));
    events.off('user.*');
    expect(at(0).released).toBe(false);
    end();
    expect(fake.sent).toEqual([]);
  });

  test('a handler that is no function is refused on the spot', () => {
    const { events, fake } = setUp();
    expect(() => events.on('user.*', undefined as never)).toThrow(TypeError);
    expect(fake.registered).toEqual([]);
  });

  test('emit answers the id; data may be left out', async () => {
    const { fake, events } = setUp();
    expect(await events.emit('ready', { n: 1 })).toBe('e9');
    await events.emit('ready');
    expect(fake.called).toEqual([
      ['events.emit', { name: 'ready', data: { n: 1 } }],
      ['events.emit', { name: 'ready', data: null }],
    ]);
  });
});

test('on sends how the deliveries are to come, and only what was given', () => {
  const { host, registered } = fakeHost();
  const events = createEvents(host);
  events.on('user.*', () => {}, { orderBy: 'user.id', concurrency: 2 });
  events.on('user.*', () => {}, {});
  expect(registered.map(({ input }) => input)).toEqual([
    { pattern: 'user.*', once: false, orderBy: 'user.id', concurrency: 2 },
    { pattern: 'user.*', once: false },
  ]);
});
