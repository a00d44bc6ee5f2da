import { describe, expect, test } from 'bun:test';
import { jitterOf } from '../../sandbox-apis/scheduler/when.ts';
import { job, setUpSchedules } from './kit.ts';

const { rig, jobRows, runRows } = await setUpSchedules();

describe('a tick', () => {
  test('runs the job at each time of the pattern, no sooner', async () => {
    const { replace, time, runs, times } = rig('2026-01-01T12:00:30Z');
    await replace([job()]);
    await time.to('2026-01-01T12:04:59.999Z');
    expect(runs).toEqual([]);
    await time.to('2026-01-01T12:05:00Z');
    expect(runs).toMatchObject([
      { plugin: 'billing', name: 'poll', scheduledAt: '2026-01-01T12:05:00.000Z', catchUp: false, attempt: 1 },
    ]);
    await time.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
    expect((await runRows()).map(({ id, state }) => [id, state])).toEqual(runs.map(({ id }) => [id, 'ok']));
  });

  test('of an interval comes from the time it was added', async () => {
    const { replace, time, times } = rig('2026-01-01T12:00:30Z');
    await replace([job({ when: { everyMs: 90_000 } })]);
    await time.to('2026-01-01T12:06:00Z');
    expect(times()).toEqual(['12:02:00', '12:03:30', '12:05:00']);
  });

  test('many months away is waited for', async () => {
    const { replace, time, times } = rig('2026-01-01T12:00:00Z', { limits: { maxSleepMs: 86_400_000 } });
    await replace([job({ when: { cron: '0 0 1 7 *', timezone: 'UTC' } })]);
    await time.to('2026-06-30T23:59:59Z');
    expect(times()).toEqual([]);
    await time.to('2026-07-01T00:00:00Z');
    expect(times()).toEqual(['00:00:00']);
  });

  test('that autumn repeats runs once', async () => {
    const { replace, time, runs } = rig('2026-10-24T12:00:00Z');
    await replace([job({ when: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } })]);
    await time.to('2026-10-26T12:00:00Z');
    expect(runs.map(({ scheduledAt }) => scheduledAt)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  test('that spring skips runs at the first moment after it', async () => {
    const { replace, time, runs } = rig('2026-03-28T12:00:00Z');
    await replace([job({ when: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } })]);
    await time.to('2026-03-29T12:00:00Z');
    expect(runs.map(({ scheduledAt }) => scheduledAt)).toEqual(['2026-03-29T01:00:00.000Z']);
  });

  test('is put off by its jitter, and told by its own time', async () => {
    const { replace, schedules, time, runs } = rig('2026-01-01T12:00:00Z');
    const jitter = jitterOf('billing', 'poll', 60_000);
    expect(jitter).toBeGreaterThan(0);
    await replace([job({ jitterMs: 60_000 })]);
    const due = Date.parse('2026-01-01T12:05:00Z') + jitter;
    expect(schedules.list('billing')).toMatchObject([{ nextRunAt: new Date(due).toISOString(), jitterMs: 60_000 }]);
    await time.to(due - 1);
    expect(runs).toEqual([]);
    await time.to(due);
    expect(runs).toMatchObject([{ scheduledAt: '2026-01-01T12:05:00.000Z' }]);
    expect(await jobRows()).toMatchObject([
      { ticked_at: new Date('2026-01-01T12:05:00Z'), last_run_at: new Date(due) },
    ]);
  });

  test('that could not be claimed for a while runs when the database is back', async () => {
    let away = true;
    const logged: string[] = [];
    const { replace, time, times } = rig('2026-01-01T12:00:00Z', {
      log: (line) => logged.push(line),
      wrap: (store) => ({
        ...store,
        claimTick: (...args) => (away ? Promise.reject(new Error('away')) : store.claimTick(...args)),
      }),
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:30Z');
    expect(times()).toEqual([]);
    away = false;
    await time.to('2026-01-01T12:05:50Z');
    expect(times()).toEqual(['12:05:00']);
    await time.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
    expect(logged.filter((line) => line.includes('could not be claimed'))).toHaveLength(1);
  });
});

describe('the jitter of jobs', () => {
  test('is always the same for one, below its bound, and spread over many', () => {
    const jitters = Array.from({ length: 1_000 }, (_, i) => jitterOf('billing', `job-${i}`, 60_000));
    expect(jitters).toEqual(Array.from({ length: 1_000 }, (_, i) => jitterOf('billing', `job-${i}`, 60_000)));
    expect(Math.min(...jitters)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...jitters)).toBeLessThan(60_000);
    const perSlot = Array.from(
      { length: 10 },
      (_, slot) => jitters.filter((ms) => Math.floor(ms / 6_000) === slot).length,
    );
    // A hundred each, were it even; half as many would already be seen.
    expect(Math.min(...perSlot)).toBeGreaterThan(60);
    expect(Math.max(...perSlot)).toBeLessThan(140);
    expect(jitterOf('billing', 'poll', 0)).toBe(0);
    expect(jitterOf('billing', 'poll', 60_000)).not.toBe(jitterOf('slack', 'poll', 60_000));
  });
});
