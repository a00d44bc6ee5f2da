import { describe, expect, test } from 'bun:test';
import { job, setUpSchedules } from './kit.ts';

const { rig, jobRows, change } = await setUpSchedules();

describe('a reload', () => {
  test('keeps the beat of an equal job, whatever its handler', async () => {
    const { replace, time, times } = rig('2026-01-01T12:00:00Z');
    const when = { everyMs: 300_000 };
    await replace([job({ when, handler: 1 })]);
    await time.to('2026-01-01T12:04:00Z');
    await replace([job({ when: { ...when }, handler: 2 })]);
    await time.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
  });

  test('in the very moment of a tick neither loses nor doubles it', async () => {
    const { replace, time, times } = rig('2026-01-01T12:00:00Z');
    await replace([job()]);
    await time.to('2026-01-01T12:05:00Z');
    await replace([job({ handler: 2, overlap: 'allow' })]);
    await time.to('2026-01-01T12:09:59.999Z');
    expect(times()).toEqual(['12:05:00']);
  });

  test('other options of a job lose no tick that comes while they are stored', async () => {
    const { replace, time, times } = rig('2026-01-01T12:04:00Z');
    await replace([job()]);
    time.jump('2026-01-01T12:05:00.010Z');
    await replace([job({ overlap: 'allow' })]);
    await time.to('2026-01-01T12:05:00.020Z');
    expect(times()).toEqual(['12:05:00']);
    await time.to('2026-01-01T12:09:59Z');
    expect(times()).toEqual(['12:05:00']);
  });

  test('a job at another time begins anew; one that is gone has no more ticks', async () => {
    const { replace, time, runs } = rig('2026-01-01T12:00:00Z');
    await replace([job(), job({ name: 'gone' })]);
    await replace([job({ when: { cron: '7 * * * *', timezone: 'UTC' } })]);
    await time.to('2026-01-01T12:10:00Z');
    expect(runs.map(({ name, scheduledAt }) => [name, scheduledAt.slice(11, 16)])).toEqual([['poll', '12:07']]);
    expect((await jobRows()).map(({ name }) => name)).toEqual(['poll']);
  });

  test('swaps that follow each other quickly end as the last one says', async () => {
    const { replace, schedules } = rig('2026-01-01T12:00:00Z');
    await change({ enabled: false });
    await Promise.all([
      replace([job({ name: 'one' })]),
      replace([job({ name: 'two' })]),
      schedules.clear('billing'),
      replace([job({ name: 'three' }), job({ name: 'four' })]),
    ]);
    expect((await jobRows()).map(({ name }) => name)).toEqual(['four', 'three']);
    expect(schedules.list('billing').map(({ name }) => name)).toEqual(['four', 'three']);
    expect(schedules.list('billing').every(({ nextRunAt }) => nextRunAt === '2026-01-01T12:05:00.000Z')).toBe(true);
  });

  test('that could not be stored is stored later', async () => {
    let away = true;
    const { replace, time, times } = rig('2026-01-01T12:00:00Z', {
      limits: { reconcileMs: 5_000 },
      wrap: (store) => ({
        ...store,
        sync: (...args) => (away ? Promise.reject(new Error('away')) : store.sync(...args)),
      }),
    });
    await expect(replace([job()])).rejects.toThrow('away');
    away = false;
    await time.to('2026-01-01T12:05:00Z');
    expect(times()).toEqual(['12:05:00']);
  });

  test('too many jobs are refused and change nothing', async () => {
    const { replace, schedules } = rig('2026-01-01T12:00:00Z');
    await replace([job()]);
    const many = Array.from({ length: 101 }, (_, i) => job({ name: `job-${i}` }));
    await expect(replace(many)).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect(schedules.list('billing').map(({ name }) => name)).toEqual(['poll']);
  });
});

describe('an upgrade on another core', () => {
  test('ends a job that is gone at once, and the old code runs nothing more', async () => {
    const a = rig('2026-01-01T12:00:00Z');
    const b = rig(a.time);
    for (const core of [a, b]) await core.replace([job(), job({ name: 'gone' })]);
    await change({ package_digest: 'two' });
    await a.replace([job()], 'two');
    await a.time.to('2026-01-01T12:05:00Z');
    expect(b.runs).toEqual([]);
    expect(a.runs.map(({ name }) => name)).toEqual(['poll']);
    // The old one comes up again on the core that is behind.
    await b.replace([], 'one');
    await b.replace([job(), job({ name: 'gone' })], 'one');
    await a.time.to('2026-01-01T12:10:00Z');
    expect(b.runs).toEqual([]);
    expect((await jobRows()).map(({ name }) => name)).toEqual(['poll']);
    // It has caught up.
    await b.replace([job()], 'two');
    await a.schedules.stop();
    await a.time.to('2026-01-01T12:15:00Z');
    expect(b.times()).toEqual(['12:15:00']);
  });

  test('loses no tick, also when the core that did it is gone in that moment', async () => {
    const a = rig('2026-01-01T12:00:00Z');
    const b = rig(a.time);
    for (const core of [a, b]) await core.replace([job()]);
    await change({ package_digest: 'two' });
    await a.replace([job()], 'two');
    await a.schedules.stop();
    await a.time.to('2026-01-01T12:05:01Z');
    await b.replace([job()], 'two');
    await a.time.to('2026-01-01T12:05:02Z');
    expect([...a.times(), ...b.times()]).toEqual(['12:05:00']);
  });
});

test('list says all of a job', async () => {
  const { replace, schedules } = rig('2026-01-01T12:00:00Z');
  const berlin = { cron: '@daily', timezone: 'Europe/Berlin' };
  await replace([
    job({ name: 'b', when: { everyMs: 1_000 }, overlap: 'allow', retries: 2 }),
    job({ name: 'a', when: berlin, catchUp: 'all' }),
  ]);
  const never = { lastRunAt: null, lastDurationMs: null, lastError: null, running: false, pausedAt: null };
  expect(schedules.list('billing')).toEqual([
    {
      ...{ name: 'a', ...berlin, everyMs: null, overlap: 'skip', catchUp: 'all', jitterMs: 0, retries: 0 },
      nextRunAt: '2026-01-01T23:00:00.000Z',
      ...never,
    },
    {
      ...{ name: 'b', cron: null, timezone: null, everyMs: 1_000, overlap: 'allow', catchUp: 'none' },
      ...{ jitterMs: 0, retries: 2 },
      nextRunAt: '2026-01-01T12:00:01.000Z',
      ...never,
    },
  ]);
  expect(schedules.list('other')).toEqual([]);
});
