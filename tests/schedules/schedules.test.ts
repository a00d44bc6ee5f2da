import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../../src/db/client.ts';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { flush, job, type Run, type SchedulesRig, schedulesRig } from './kit.ts';

let database: TestDatabase;
let db: Db;
const rigs: SchedulesRig[] = [];
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
beforeEach(() => installPlugin(db, 'billing'));
afterEach(async () => {
  await Promise.all(rigs.splice(0).map(({ schedules }) => schedules.stop()));
  await resetEvents(db);
});
afterAll(() => database.drop());

function rig(...args: Parameters<typeof schedulesRig> extends [Db, ...infer R] ? R : never): SchedulesRig {
  const made = schedulesRig(db, ...args);
  rigs.push(made);
  return made;
}

const rows = () => db.selectFrom('plugin_jobs').selectAll().orderBy('name').execute();

/** A runner whose runs end when they are told to. */
function heldRuns() {
  const ends: (() => void)[] = [];
  const run = () => new Promise<void>((resolve) => ends.push(resolve));
  const end = async () => {
    for (const resolve of ends.splice(0)) resolve();
    await flush();
  };
  return { run, end };
}

describe('a tick', () => {
  test('runs the job at each time of the pattern, no sooner', async () => {
    const { schedules, clock, runs, times } = rig('2026-01-01T12:00:30Z');
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:04:59.999Z');
    expect(runs).toEqual([]);
    clock.to('2026-01-01T12:05:00Z');
    expect(runs).toMatchObject([
      { plugin: 'billing', name: 'poll', scheduledAt: '2026-01-01T12:05:00.000Z', catchUp: false },
    ]);
    await flush();
    clock.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
  });

  test('of an interval comes from the time it was added', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:30Z');
    await schedules.replace('billing', [job({ when: { everyMs: 90_000 } })]);
    for (const time of ['12:02:00', '12:03:30', '12:05:00']) {
      clock.to(`2026-01-01T${time}Z`);
      await flush();
    }
    expect(times()).toEqual(['12:02:00', '12:03:30', '12:05:00']);
  });

  test('many months away is waited for', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z', undefined, { maxSleepMs: 86_400_000 });
    await schedules.replace('billing', [job({ when: { cron: '0 0 1 7 *', timezone: 'UTC' } })]);
    clock.to('2026-06-30T23:59:59Z');
    expect(times()).toEqual([]);
    clock.to('2026-07-01T00:00:00Z');
    expect(times()).toEqual(['00:00:00']);
  });

  test('that passed while the machine slept runs once, then the beat goes on', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z');
    await schedules.replace('billing', [job()]);
    clock.jump('2026-01-01T13:02:00Z');
    clock.to('2026-01-01T13:02:00Z');
    expect(times()).toEqual(['12:05:00']);
    await flush();
    clock.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['12:05:00', '13:05:00']);
  });

  test('that autumn repeats runs once', async () => {
    const { schedules, clock, runs } = rig('2026-10-24T12:00:00Z');
    await schedules.replace('billing', [job({ when: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } })]);
    clock.to('2026-10-25T12:00:00Z');
    await flush();
    clock.to('2026-10-26T12:00:00Z');
    expect(runs.map(({ scheduledAt }) => scheduledAt)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  test('that spring skips runs at the first moment after it', async () => {
    const { schedules, clock, runs } = rig('2026-03-28T12:00:00Z');
    await schedules.replace('billing', [job({ when: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } })]);
    clock.to('2026-03-29T12:00:00Z');
    expect(runs.map(({ scheduledAt }) => scheduledAt)).toEqual(['2026-03-29T01:00:00.000Z']);
  });
});

describe('overlap', () => {
  test('skip leaves out ticks while the last run goes on', async () => {
    const held = heldRuns();
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z', held.run, { runDeadlineMs: 3_600_000 });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:16:00Z');
    expect(times()).toEqual(['12:05:00']);
    expect(schedules.list('billing')).toMatchObject([{ running: true, nextRunAt: '2026-01-01T12:20:00.000Z' }]);
    await held.end();
    clock.to('2026-01-01T12:20:00Z');
    expect(times()).toEqual(['12:05:00', '12:20:00']);
    await held.end();
  });

  test('allow runs them side by side, up to a bound', async () => {
    const held = heldRuns();
    const limits = { overlapping: 3, runDeadlineMs: 3_600_000 };
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z', held.run, limits);
    await schedules.replace('billing', [job({ overlap: 'allow' })]);
    clock.to('2026-01-01T12:26:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00', '12:15:00']);
    await held.end();
  });
});

describe('a reload', () => {
  test('keeps the beat of an equal job, whatever its handler', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z');
    const when = { everyMs: 300_000 };
    await schedules.replace('billing', [job({ when, handler: 1 })]);
    clock.to('2026-01-01T12:04:00Z');
    const stored = schedules.replace('billing', [job({ when: { ...when }, handler: 2 })]);
    clock.to('2026-01-01T12:05:00Z');
    await stored;
    await flush();
    clock.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
  });

  test('in the very moment of a tick neither loses nor doubles it', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z');
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    await schedules.replace('billing', [job({ handler: 2 })]);
    clock.to('2026-01-01T12:09:59.999Z');
    expect(times()).toEqual(['12:05:00']);
  });

  test('a new job loses no tick that comes while its row is stored', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:04:59.999Z');
    const stored = schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00.010Z');
    await stored;
    clock.to('2026-01-01T12:05:00.010Z');
    expect(times()).toEqual(['12:05:00']);
    clock.to('2026-01-01T12:09:59Z');
    expect(times()).toEqual(['12:05:00']);
  });

  test('a job at another time begins anew; one that is gone has no more ticks', async () => {
    const { schedules, clock, runs } = rig('2026-01-01T12:00:00Z');
    await schedules.replace('billing', [job(), job({ name: 'gone' })]);
    await schedules.replace('billing', [job({ when: { cron: '7 * * * *', timezone: 'UTC' } })]);
    clock.to('2026-01-01T12:10:00Z');
    expect(runs.map(({ name, scheduledAt }) => [name, scheduledAt.slice(11, 16)])).toEqual([['poll', '12:07']]);
    expect((await rows()).map(({ name }) => name)).toEqual(['poll']);
  });

  test('swaps that follow each other quickly end as the last one says', async () => {
    const { schedules } = rig('2026-01-01T12:00:00Z');
    await Promise.all([
      schedules.replace('billing', [job({ name: 'one' })]),
      schedules.replace('billing', [job({ name: 'two' })]),
      schedules.clear('billing'),
      schedules.replace('billing', [job({ name: 'three' }), job({ name: 'four' })]),
    ]);
    expect((await rows()).map(({ name }) => name)).toEqual(['four', 'three']);
    expect(schedules.list('billing').map(({ name }) => name)).toEqual(['four', 'three']);
    expect(schedules.list('billing').every(({ nextRunAt }) => nextRunAt === '2026-01-01T12:05:00.000Z')).toBe(true);
  });
});

describe('after a restart', () => {
  /** A core that ran the job at 12:05 and stopped; the next one, at the time given, has its jobs replaced. */
  async function restart(at: string, before = job({ catchUp: true }), after = before): Promise<SchedulesRig> {
    const first = rig('2026-01-01T12:00:00Z');
    await first.schedules.replace('billing', [before]);
    first.clock.to('2026-01-01T12:05:00Z');
    await first.schedules.stop();
    const second = rig(at);
    await second.schedules.replace('billing', [after]);
    return second;
  }

  test('one run makes up for all that were missed, and the beat goes on', async () => {
    const { clock, runs, times } = await restart('2026-01-01T13:02:00Z');
    expect(runs).toMatchObject([{ scheduledAt: '2026-01-01T13:00:00.000Z', catchUp: true }]);
    await flush();
    clock.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:00:00', '13:05:00']);
    expect(runs[1]?.catchUp).toBe(false);
  });

  test('nothing is made up for when nothing was missed', async () => {
    const { runs, clock, times } = await restart('2026-01-01T12:09:59Z');
    expect(runs).toEqual([]);
    clock.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:10:00']);
  });

  test('a tick that was made up for is not made up for again', async () => {
    const second = await restart('2026-01-01T13:02:00Z');
    await second.schedules.stop();
    const third = rig('2026-01-01T13:03:00Z');
    await third.schedules.replace('billing', [job({ catchUp: true })]);
    expect(third.runs).toEqual([]);
  });

  test('nothing is made up for without catchUp', async () => {
    const { runs, clock, times } = await restart('2026-01-01T13:02:00Z', job());
    expect(runs).toEqual([]);
    clock.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:05:00']);
  });

  test('a job that had not run yet is made up for too', async () => {
    const first = rig('2026-01-01T12:00:00Z');
    await first.schedules.replace('billing', [job({ catchUp: true })]);
    await first.schedules.stop();
    const second = rig('2026-01-01T12:06:00Z');
    await second.schedules.replace('billing', [job({ catchUp: true })]);
    expect(second.times()).toEqual(['12:05:00']);
  });

  test('a job whose time has changed begins anew', async () => {
    const when = { cron: '*/3 * * * *', timezone: 'UTC' };
    const { runs } = await restart('2026-01-01T13:02:00Z', job({ catchUp: true }), job({ catchUp: true, when }));
    expect(runs).toEqual([]);
  });

  test('an interval keeps its beat', async () => {
    const when = { everyMs: 300_000 };
    const { clock, times } = await restart('2026-01-01T13:02:00Z', job({ when }));
    clock.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:05:00']);
  });

  test('an interval is made up for too', async () => {
    const when = { everyMs: 300_000 };
    const { clock, times } = await restart('2026-01-01T13:02:00Z', job({ when, catchUp: true }));
    expect(times()).toEqual(['13:00:00']);
    await flush();
    clock.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:00:00', '13:05:00']);
  });

  test('ticks while the plugin was disabled are not missed ones', async () => {
    const first = rig('2026-01-01T12:00:00Z');
    await first.schedules.replace('billing', [job({ catchUp: true })]);
    await first.schedules.clear('billing');
    first.clock.to('2026-01-01T13:02:00Z');
    await first.schedules.replace('billing', [job({ catchUp: true })]);
    expect(first.runs).toEqual([]);
  });

  test('the last run is still known', async () => {
    const { schedules } = await restart('2026-01-01T12:07:00Z');
    expect(schedules.list('billing')).toMatchObject([{ lastRunAt: '2026-01-01T12:05:00.000Z', lastError: null }]);
  });
});

describe('a run', () => {
  test('that fails is noted, not repeated, and the next one clears the error', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z', async ({ scheduledAt }) => {
      if (scheduledAt === '2026-01-01T12:05:00.000Z') throw new CodedError('plugin_error', 'boom');
    });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    await flush();
    expect(schedules.list('billing')).toMatchObject([{ lastError: 'plugin_error: boom', running: false }]);
    clock.to('2026-01-01T12:10:00Z');
    await schedules.stop();
    expect(times()).toEqual(['12:05:00', '12:10:00']);
    expect(await rows()).toMatchObject([
      { last_error: null, last_run_at: new Date('2026-01-01T12:10:00Z'), ticked_at: new Date('2026-01-01T12:10:00Z') },
    ]);
  });

  test('that throws at once is noted as well', async () => {
    const { schedules, clock } = rig('2026-01-01T12:00:00Z', () => {
      throw new Error('at once');
    });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    await schedules.stop();
    expect(await rows()).toMatchObject([{ last_error: 'Error: at once' }]);
  });

  test('is aborted at its deadline, whatever the plugin does, and the next tick runs', async () => {
    const hang = () => new Promise<void>(() => {});
    const { schedules, clock, runs } = rig('2026-01-01T12:00:00Z', hang, { runDeadlineMs: 60_000 });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:06:00Z');
    await flush();
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'deadline_exceeded' });
    expect(schedules.list('billing')).toMatchObject([
      { running: false, lastError: 'deadline_exceeded: The job took longer than 60000 ms', lastDurationMs: 60_000 },
    ]);
    clock.to('2026-01-01T12:10:00Z');
    expect(runs).toHaveLength(2);
    clock.to('2026-01-01T12:11:00Z');
  });

  test('happens even when it cannot be noted', async () => {
    const { schedules, clock, times } = rig('2026-01-01T12:00:00Z');
    await expect(schedules.replace('ghost', [job()])).rejects.toThrow('foreign key');
    clock.to('2026-01-01T12:05:00Z');
    expect(times()).toEqual(['12:05:00']);
  });
});

describe('runNow', () => {
  test('runs the job beside its ticks and settles with it', async () => {
    const { schedules, clock, runs, times } = rig('2026-01-01T12:01:00Z');
    await schedules.replace('billing', [job()]);
    await schedules.runNow('billing', 'poll');
    expect(runs).toMatchObject([{ name: 'poll', scheduledAt: '2026-01-01T12:01:00.000Z', catchUp: false }]);
    expect(schedules.list('billing')).toMatchObject([
      { lastRunAt: '2026-01-01T12:01:00.000Z', nextRunAt: '2026-01-01T12:05:00.000Z' },
    ]);
    clock.to('2026-01-01T12:05:00Z');
    expect(times()).toEqual(['12:01:00', '12:05:00']);
  });

  test('rejects with the error of the run', async () => {
    const { schedules } = rig('2026-01-01T12:01:00Z', () => Promise.reject(new Error('boom')));
    await schedules.replace('billing', [job()]);
    await expect(schedules.runNow('billing', 'poll')).rejects.toThrow('boom');
    expect(await rows()).toMatchObject([{ last_error: 'Error: boom' }]);
  });

  test('refuses what is unknown or runs already', async () => {
    const held = heldRuns();
    const { schedules } = rig('2026-01-01T12:01:00Z', held.run);
    await schedules.replace('billing', [job()]);
    await expect(schedules.runNow('billing', 'other')).rejects.toMatchObject({ code: 'not_found' });
    await expect(schedules.runNow('slack', 'poll')).rejects.toMatchObject({ code: 'not_found' });
    const first = schedules.runNow('billing', 'poll');
    await expect(schedules.runNow('billing', 'poll')).rejects.toMatchObject({ code: 'conflict' });
    await held.end();
    await first;
  });
});

describe('the end', () => {
  test('clear aborts the runs, stops the timers and forgets the jobs', async () => {
    const hang = (run: Run) => new Promise<void>((_, reject) => run.signal.addEventListener('abort', () => reject()));
    const { schedules, clock, runs } = rig('2026-01-01T12:00:00Z', hang);
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    await schedules.clear('billing');
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'aborted' });
    expect(schedules.list('billing')).toEqual([]);
    expect(await rows()).toEqual([]);
    clock.to('2026-01-01T13:00:00Z');
    expect(runs).toHaveLength(1);
    expect(clock.timers).toBe(0);
  });

  test('stop waits for a run that ends in time', async () => {
    const held = heldRuns();
    const { schedules, clock, runs } = rig('2026-01-01T12:00:00Z', held.run, { drainMs: 60_000 });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    const stopped = schedules.stop();
    await held.end();
    await stopped;
    expect(runs[0]?.signal.aborted).toBe(false);
    expect(await rows()).toMatchObject([{ last_error: null, last_duration_ms: 0 }]);
  });

  test('stop aborts one that does not, and keeps what is known of the jobs', async () => {
    const hang = () => new Promise<void>(() => {});
    const { schedules, clock, runs } = rig('2026-01-01T12:00:00Z', hang, { drainMs: 5 });
    await schedules.replace('billing', [job()]);
    clock.to('2026-01-01T12:05:00Z');
    await schedules.stop();
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(await rows()).toMatchObject([{ name: 'poll', last_run_at: new Date('2026-01-01T12:05:00Z') }]);
    clock.to('2026-01-01T13:00:00Z');
    expect(runs).toHaveLength(1);
  });

  test('too many jobs are refused and change nothing', async () => {
    const { schedules } = rig('2026-01-01T12:00:00Z');
    await schedules.replace('billing', [job()]);
    const many = Array.from({ length: 101 }, (_, i) => job({ name: `job-${i}` }));
    await expect(schedules.replace('billing', many)).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect(schedules.list('billing').map(({ name }) => name)).toEqual(['poll']);
  });
});

test('list says all of a job', async () => {
  const { schedules } = rig('2026-01-01T12:00:00Z');
  const berlin = { cron: '@daily', timezone: 'Europe/Berlin' };
  await schedules.replace('billing', [
    job({ name: 'b', when: { everyMs: 1_000 }, overlap: 'allow' }),
    job({ name: 'a', when: berlin, catchUp: true }),
  ]);
  const never = { lastRunAt: null, lastDurationMs: null, lastError: null, running: false };
  expect(schedules.list('billing')).toEqual([
    {
      name: 'a',
      ...berlin,
      everyMs: null,
      overlap: 'skip',
      catchUp: true,
      nextRunAt: '2026-01-01T23:00:00.000Z',
      ...never,
    },
    {
      name: 'b',
      cron: null,
      timezone: null,
      everyMs: 1_000,
      overlap: 'allow',
      catchUp: false,
      nextRunAt: '2026-01-01T12:00:01.000Z',
      ...never,
    },
  ]);
  expect(schedules.list('other')).toEqual([]);
});
