import { describe, expect, test } from 'bun:test';
import { heldRuns, job, setUpSchedules } from './kit.ts';

const { rig, runRows } = await setUpSchedules();
const LONG = { runDeadlineMs: 3_600_000, leaseMs: 7_200_000, drainMs: 3_600_000 };

describe('overlap', () => {
  test('skip leaves out ticks while the last run goes on', async () => {
    const held = heldRuns();
    const { replace, schedules, time, times } = rig('2026-01-01T12:00:00Z', { run: held.run, limits: LONG });
    await replace([job()]);
    await time.to('2026-01-01T12:16:00Z');
    expect(times()).toEqual(['12:05:00']);
    expect(schedules.list('billing')).toMatchObject([{ running: true, nextRunAt: '2026-01-01T12:20:00.000Z' }]);
    await held.end(time);
    await time.to('2026-01-01T12:20:00Z');
    expect(times()).toEqual(['12:05:00', '12:20:00']);
    await held.end(time);
    expect((await runRows()).map(({ state }) => state)).toEqual(['ok', 'skipped', 'skipped', 'ok']);
  });

  test('allow runs them side by side, up to a bound', async () => {
    const held = heldRuns();
    const limits = { ...LONG, overlapping: 3 };
    const { replace, time, times } = rig('2026-01-01T12:00:00Z', { run: held.run, limits });
    await replace([job({ overlap: 'allow' })]);
    await time.to('2026-01-01T12:26:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00', '12:15:00']);
    await held.end(time);
  });

  test('queue runs them all, one after the other', async () => {
    const held = heldRuns();
    const { replace, time, times } = rig('2026-01-01T12:00:00Z', { run: held.run, limits: LONG });
    await replace([job({ overlap: 'queue' })]);
    await time.to('2026-01-01T12:16:00Z');
    expect(times()).toEqual(['12:05:00']);
    await held.end(time);
    expect(times()).toEqual(['12:05:00', '12:10:00']);
    await held.end(time);
    await held.end(time);
    expect(times()).toEqual(['12:05:00', '12:10:00', '12:15:00']);
    expect((await runRows()).map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
  });

  test.each([
    ['skip', 0, ['12:05:00']],
    ['queue', 1, ['12:05:00', '12:10:00']],
  ] as const)('%s counts runs of other cores', async (overlap, waiting, expected) => {
    const held = heldRuns();
    const a = rig('2026-01-01T12:00:00Z', { run: held.run, limits: LONG });
    await a.replace([job({ overlap })]);
    await a.time.to('2026-01-01T12:06:00Z');
    const b = rig(a.time, { limits: LONG });
    await b.replace([job({ overlap })]);
    // The core whose run goes on looks no more; the other one does.
    const stopping = a.schedules.stop();
    await a.time.to('2026-01-01T12:11:00Z');
    expect(b.times()).toEqual([]);
    expect((await runRows()).filter(({ state }) => state === 'queued')).toHaveLength(waiting);
    await held.end(a.time);
    await stopping;
    const { jobs } = await b.store.look(['billing']);
    expect(jobs).toMatchObject([{ waiting: waiting === 1 }]);
    await b.schedules.pause('billing', 'poll', null);
    await a.time.quiet();
    expect([...a.times(), ...b.times()]).toEqual([...expected]);
  });
});
