import { describe, expect, test } from 'bun:test';
import { createScheduler } from '../../sandbox-apis/scheduler/guest.ts';
import { fakeHost } from '../events/guest-host.ts';

function setUp() {
  const fake = fakeHost();
  const scheduler = createScheduler(fake.host);
  const at = (index: number) => {
    const registration = fake.registered[index];
    if (!registration) throw new Error(`nothing registered at ${index}`);
    return registration;
  };
  return { fake, scheduler, at };
}

describe('streamspace.scheduler', () => {
  test('schedule registers the job with all its options', () => {
    const { scheduler, at } = setUp();
    const options = { name: 'report', timezone: 'Europe/Berlin', overlap: 'queue', catchUp: 'all' } as const;
    const more = { jitter: '30s', retries: 2 } as const;
    scheduler.schedule('0 6 * * *', () => {}, { ...options, ...more });
    expect(at(0)).toMatchObject({ call: 'scheduler.schedule', input: { cron: '0 6 * * *', ...options, ...more } });
  });

  test('what is left out has its default, names count up', () => {
    const { scheduler, at } = setUp();
    scheduler.schedule('@daily', () => {});
    scheduler.every('5m', () => {});
    const defaults = { overlap: 'skip', catchUp: false, jitter: 0, retries: 0 };
    expect(at(0).input).toEqual({ cron: '@daily', timezone: 'UTC', name: 'job-1', ...defaults });
    expect(at(1)).toMatchObject({ call: 'scheduler.every', input: { interval: '5m', name: 'job-2', ...defaults } });
  });

  test('the handler is told of its run; what it answers stays inside, its errors do not', async () => {
    const { scheduler, at } = setUp();
    const runs: unknown[] = [];
    const abort = new AbortController();
    scheduler.every(1_000, (run) => runs.push(run));
    scheduler.every(1_000, async () => {
      throw new Error('boom');
    });
    const job = { name: 'job-1', scheduledAt: '2026-01-01T12:00:00.000Z', catchUp: false, id: 7, attempt: 1 };
    expect(await at(0).invoke(job, abort)).toBeUndefined();
    expect(runs).toEqual([{ ...job, signal: abort.signal }]);
    await expect(at(1).invoke(job)).rejects.toThrow('boom');
  });

  test('cancel ends by name, once', async () => {
    const { fake, scheduler, at } = setUp();
    scheduler.every(1_000, () => {}, { name: 'poll' });
    await at(0).accept(9);
    expect(scheduler.cancel('other')).toBe(false);
    expect(scheduler.cancel('poll')).toBe(true);
    expect(scheduler.cancel('poll')).toBe(false);
    expect(fake.sent).toEqual([['scheduler.cancel', { id: 9 }]]);
    expect(at(0).released).toBe(true);
  });

  test('a job that is cancelled and added again at once is cancelled first', async () => {
    const { fake, scheduler, at } = setUp();
    const cancel = scheduler.every(1_000, () => {}, { name: 'poll' });
    await at(0).accept(9);
    cancel();
    expect(fake.sent).toEqual([['scheduler.cancel', { id: 9 }]]);
    scheduler.every(2_000, () => {}, { name: 'poll' });
    cancel();
    await at(1).accept(10);
    expect(scheduler.cancel('poll')).toBe(true);
    expect(fake.sent.at(-1)).toEqual(['scheduler.cancel', { id: 10 }]);
  });

  test('what is cancelled before the core has answered is taken back when it has', async () => {
    const { fake, scheduler, at } = setUp();
    scheduler.every(1_000, () => {})();
    expect(fake.sent).toEqual([]);
    await at(0).accept(9);
    expect(fake.sent).toEqual([['scheduler.cancel', { id: 9 }]]);
  });

  test('of two jobs of one name the first stays when the core refuses the second', async () => {
    const { fake, scheduler, at } = setUp();
    scheduler.every(1_000, () => {}, { name: 'poll' });
    scheduler.every(2_000, () => {}, { name: 'poll' });
    await at(0).accept(9);
    await at(1).refuse(new Error('There is a job "poll" already'));
    expect(scheduler.cancel('poll')).toBe(true);
    expect(fake.sent).toEqual([['scheduler.cancel', { id: 9 }]]);
    expect(scheduler.cancel('poll')).toBe(false);
  });

  test('a job that the core refused is not there', async () => {
    const { fake, scheduler, at } = setUp();
    scheduler.every(1, () => {}, { name: 'poll' });
    await at(0).refuse(new Error('interval: 1 is outside 1000 ms to 366 days'));
    expect(scheduler.cancel('poll')).toBe(false);
    expect(fake.sent).toEqual([]);
  });

  test('mistakes show on the spot', () => {
    const { fake, scheduler } = setUp();
    expect(() => scheduler.schedule('@daily', undefined as never)).toThrow('the handler is not a function');
    expect(() => scheduler.every(1_000, () => {}, { catchUp: true })).toThrow('catchUp needs a name');
    expect(() => scheduler.every(1_000, () => {}, { catchUp: 'all' })).toThrow('catchUp needs a name');
    expect(fake.registered).toEqual([]);
  });
});
