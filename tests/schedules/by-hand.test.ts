import { describe, expect, test } from 'bun:test';
import { heldRuns, job, setUpSchedules } from './kit.ts';

const { rig, jobRows, runRows } = await setUpSchedules();

describe('runNow', () => {
  test('runs the job beside its ticks', async () => {
    const { replace, schedules, time, runs, times } = rig('2026-01-01T12:01:00Z');
    await replace([job()]);
    const started = await schedules.runNow('billing', 'poll');
    expect(started).toMatchObject({ state: 'running' });
    expect(await started.ended).toEqual({ state: 'ok', error: null });
    expect(runs).toMatchObject([{ name: 'poll', scheduledAt: '2026-01-01T12:01:00.000Z', catchUp: false }]);
    expect(schedules.list('billing')).toMatchObject([
      { lastRunAt: '2026-01-01T12:01:00.000Z', nextRunAt: '2026-01-01T12:05:00.000Z' },
    ]);
    await time.to('2026-01-01T12:05:00Z');
    expect(times()).toEqual(['12:01:00', '12:05:00']);
    expect((await runRows()).map(({ trigger, tick_at }) => [trigger, tick_at?.toISOString() ?? null])).toEqual([
      ['manual', null],
      ['tick', '2026-01-01T12:05:00.000Z'],
    ]);
  });

  test('tells the error of the run', async () => {
    const boom = new Error('boom');
    const { replace, schedules } = rig('2026-01-01T12:01:00Z', { run: () => Promise.reject(boom) });
    await replace([job()]);
    expect(await (await schedules.runNow('billing', 'poll')).ended).toEqual({ state: 'failed', error: boom });
    expect(await jobRows()).toMatchObject([{ last_error: 'Error: boom' }]);
  });

  test('refuses what is unknown, or runs already on any core', async () => {
    const held = heldRuns();
    const a = rig('2026-01-01T12:01:00Z', { run: held.run });
    const b = rig(a.time);
    for (const core of [a, b]) await core.replace([job()]);
    await expect(a.schedules.runNow('billing', 'other')).rejects.toMatchObject({ code: 'not_found' });
    await expect(a.schedules.runNow('slack', 'poll')).rejects.toMatchObject({ code: 'not_found' });
    const first = await a.schedules.runNow('billing', 'poll');
    await expect(a.schedules.runNow('billing', 'poll')).rejects.toMatchObject({ code: 'conflict' });
    await expect(b.schedules.runNow('billing', 'poll')).rejects.toMatchObject({ code: 'conflict' });
    await held.end(a.time);
    await first.ended;
  });

  test('waits under `queue`', async () => {
    const held = heldRuns();
    const { replace, schedules, time, runs } = rig('2026-01-01T12:01:00Z', { run: held.run });
    await replace([job({ overlap: 'queue' })]);
    await schedules.runNow('billing', 'poll');
    const second = await schedules.runNow('billing', 'poll');
    expect(second).toMatchObject({ state: 'queued', ended: null });
    await held.end(time);
    expect(runs.map(({ id }) => id)).toContain(second.id);
    await held.end(time);
  });
});

describe('pause', () => {
  test('holds ticks back on every core and over a restart; by hand it still runs', async () => {
    const a = rig('2026-01-01T12:00:00Z', { limits: { reconcileMs: 5_000 } });
    const b = rig(a.time, { limits: { reconcileMs: 5_000 } });
    for (const core of [a, b]) await core.replace([job({ catchUp: 'all' })]);
    await a.schedules.pause('billing', 'poll', 'ada');
    const paused = { pausedAt: '2026-01-01T12:00:00.000Z', nextRunAt: null };
    expect(a.schedules.list('billing')).toMatchObject([paused]);
    await a.time.to('2026-01-01T12:06:00Z');
    expect(b.schedules.list('billing')).toMatchObject([paused]);
    const again = rig(a.time);
    await again.replace([job({ catchUp: 'all' })]);
    await a.time.to('2026-01-01T12:11:00Z');
    expect(again.schedules.list('billing')).toMatchObject([paused]);
    expect([a, b, again].flatMap(({ runs }) => runs)).toEqual([]);
    await (await again.schedules.runNow('billing', 'poll')).ended;
    expect(again.runs).toHaveLength(1);

    await b.schedules.pause('billing', 'poll', null);
    expect(b.schedules.list('billing')).toMatchObject([{ pausedAt: null, nextRunAt: '2026-01-01T12:15:00.000Z' }]);
    await a.time.to('2026-01-01T12:16:00Z');
    expect([a, b, again].flatMap(({ times }) => times()).sort()).toEqual(['12:11:00', '12:15:00']);
  });

  test('of a job that is not there is refused', async () => {
    const { schedules } = rig('2026-01-01T12:00:00Z');
    await expect(schedules.pause('billing', 'poll', 'ada')).rejects.toMatchObject({ code: 'not_found' });
  });
});
