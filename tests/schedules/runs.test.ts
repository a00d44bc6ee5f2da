import { describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { heldRuns, job, type Run, setUpSchedules } from './kit.ts';

const { rig, jobRows, runRows, change } = await setUpSchedules();
const hang = () => new Promise<void>(() => {});

describe('a run', () => {
  test('that fails is noted with the place, not repeated, and the next one clears the error', async () => {
    const stack = 'Error: boom\n    at pay (src/pay.ts:12:5)\n    at src/jobs.ts:3:1';
    const { replace, schedules, time, times } = rig('2026-01-01T12:00:00Z', {
      run: async ({ scheduledAt }) => {
        if (scheduledAt === '2026-01-01T12:05:00.000Z') throw new CodedError('plugin_error', 'boom', { stack });
      },
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:00Z');
    expect(schedules.list('billing')).toMatchObject([{ lastError: 'plugin_error: boom', running: false }]);
    expect(await runRows()).toMatchObject([{ state: 'failed', error: 'plugin_error: boom', place: 'src/pay.ts:12:5' }]);
    await time.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:05:00', '12:10:00']);
    expect(await jobRows()).toMatchObject([
      { last_error: null, last_run_at: new Date('2026-01-01T12:10:00Z'), ticked_at: new Date('2026-01-01T12:10:00Z') },
    ]);
  });

  test('that throws at once is noted as well', async () => {
    const { replace, time } = rig('2026-01-01T12:00:00Z', {
      run: () => {
        throw new Error('at once');
      },
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:00Z');
    expect(await jobRows()).toMatchObject([{ last_error: 'Error: at once' }]);
  });

  test('keeps what the plugin logged meanwhile', async () => {
    const line = { time: '2026-01-01T12:05:00.000Z', level: 'info', message: 'paid' };
    const { replace, time } = rig('2026-01-01T12:00:00Z', {
      lines: { mark: () => 7, since: (plugin, mark) => (plugin === 'billing' && mark === 7 ? [line] : []) },
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:00Z');
    expect(await runRows()).toMatchObject([{ log: [line] }]);
  });

  test('is aborted at its deadline, whatever the plugin does, and the next tick runs', async () => {
    const limits = { runDeadlineMs: 60_000, keepMs: 10_000 };
    const { replace, schedules, time, runs } = rig('2026-01-01T12:00:00Z', { run: hang, limits });
    await replace([job()]);
    await time.to('2026-01-01T12:06:00Z');
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'deadline_exceeded' });
    expect(schedules.list('billing')).toMatchObject([
      { running: false, lastError: 'deadline_exceeded: The job took longer than 60000 ms', lastDurationMs: 60_000 },
    ]);
    await time.to('2026-01-01T12:10:00Z');
    expect(runs).toHaveLength(2);
    await time.to('2026-01-01T12:11:00Z');
  });

  test('is tried again as often as its job says', async () => {
    const run = () => Promise.reject(new Error('boom'));
    const { replace, time, runs } = rig('2026-01-01T12:00:00Z', { run, limits: { reconcileMs: 5_000 } });
    await replace([job({ retries: 2 })]);
    await time.to('2026-01-01T12:06:00Z');
    expect(runs.map(({ attempt, scheduledAt }) => [attempt, scheduledAt])).toEqual([
      [1, '2026-01-01T12:05:00.000Z'],
      [2, '2026-01-01T12:05:00.000Z'],
      [3, '2026-01-01T12:05:00.000Z'],
    ]);
    await time.to('2026-01-01T12:09:00Z');
    expect(runs).toHaveLength(3);
  });

  test('whose end could not be noted at first is noted later', async () => {
    let away = true;
    const { replace, time } = rig('2026-01-01T12:00:00Z', {
      wrap: (store) => ({
        ...store,
        finish: (...args) => (away ? Promise.reject(new Error('away')) : store.finish(...args)),
      }),
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:03Z');
    away = false;
    await time.to('2026-01-01T12:05:10Z');
    expect(await runRows()).toMatchObject([{ state: 'ok' }]);
  });
});

describe('a core that dies in the middle of a run', () => {
  /** A core that is cut off: it asks the store nothing more. */
  async function dead(change: Parameters<typeof job>[0]) {
    let cut = false;
    const gone = <T>(work: () => Promise<T>): Promise<T> => (cut ? Promise.reject(new Error('cut off')) : work());
    const a = rig('2026-01-01T12:00:00Z', {
      run: hang,
      limits: { keepMs: 10_000 },
      wrap: (store) => ({
        ...store,
        claimTick: (...args) => gone(() => store.claimTick(...args)),
        finish: (...args) => gone(() => store.finish(...args)),
        keep: (...args) => gone(() => store.keep(...args)),
      }),
    });
    const b = rig(a.time, { limits: { reconcileMs: 5_000 } });
    await a.replace([job(change)]);
    await a.time.to('2026-01-01T12:05:00Z');
    await b.replace([job(change)]);
    cut = true;
    return { a, b };
  }

  test('loses it: that is noted when its lease is over, and it does not come again', async () => {
    const { a, b } = await dead({});
    await a.time.to('2026-01-01T12:05:25Z');
    expect(await runRows()).toMatchObject([{ state: 'running' }]);
    await a.time.to('2026-01-01T12:05:40Z');
    expect(await runRows()).toMatchObject([{ state: 'lost', error: 'the core that ran it was lost' }]);
    expect(b.schedules.list('billing')).toMatchObject([{ lastError: 'the core that ran it was lost' }]);
    // Should it not be dead, but cut off, its run is ended there as well.
    expect(a.runs[0]?.signal.reason).toMatchObject({ code: 'aborted' });
    await a.time.to('2026-01-01T12:09:00Z');
    expect(b.runs).toEqual([]);
  });

  test('has it run again by another one when the job says so', async () => {
    const { a, b } = await dead({ retries: 1 });
    await a.time.to('2026-01-01T12:06:00Z');
    expect(b.runs).toMatchObject([{ scheduledAt: '2026-01-01T12:05:00.000Z', attempt: 2 }]);
    expect((await runRows()).map(({ state, attempt }) => [state, attempt])).toEqual([
      ['lost', 1],
      ['ok', 2],
    ]);
  });

  test('does not lose one that it keeps, however long it goes on', async () => {
    const held = heldRuns();
    const a = rig('2026-01-01T12:00:00Z', { run: held.run, limits: { keepMs: 10_000, reconcileMs: 5_000 } });
    await a.replace([job()]);
    await a.time.to('2026-01-01T12:09:00Z');
    await held.end(a.time);
    expect(await runRows()).toMatchObject([{ state: 'ok' }]);
  });
});

describe('the end', () => {
  test('clear aborts the runs, stops the timers and forgets the jobs', async () => {
    const untilAborted = (run: Run) =>
      new Promise<void>((_, reject) => run.signal.addEventListener('abort', () => reject()));
    const { replace, schedules, time, runs } = rig('2026-01-01T12:00:00Z', { run: untilAborted });
    await replace([job({ retries: 5 })]);
    await time.to('2026-01-01T12:05:00Z');
    await change({ enabled: false });
    await schedules.clear('billing');
    await time.quiet();
    expect(runs[0]?.signal.reason).toMatchObject({ code: 'aborted' });
    expect(schedules.list('billing')).toEqual([]);
    expect(await jobRows()).toEqual([]);
    expect((await runRows()).map(({ state }) => state)).toEqual(['aborted']);
    await time.to('2026-01-01T13:00:00Z');
    expect(runs).toHaveLength(1);
  });

  test('stop waits for a run that ends in time', async () => {
    const held = heldRuns();
    const { replace, schedules, time, runs } = rig('2026-01-01T12:00:00Z', {
      run: held.run,
      limits: { drainMs: 60_000 },
    });
    await replace([job()]);
    await time.to('2026-01-01T12:05:00Z');
    const stopped = schedules.stop();
    await held.end(time);
    await stopped;
    expect(runs[0]?.signal.aborted).toBe(false);
    expect(await jobRows()).toMatchObject([{ last_error: null, last_duration_ms: 0 }]);
  });

  test('stop aborts one that does not, keeps what is known of the jobs, and lets it come again', async () => {
    const { replace, stop, time, runs } = rig('2026-01-01T12:00:00Z', { run: hang });
    await replace([job({ retries: 1 })]);
    await time.to('2026-01-01T12:05:00Z');
    await stop();
    expect(runs[0]?.signal.aborted).toBe(true);
    expect(await jobRows()).toMatchObject([{ name: 'poll', last_run_at: new Date('2026-01-01T12:05:00Z') }]);
    expect((await runRows()).map(({ state }) => state)).toEqual(['aborted', 'queued']);
    await time.to('2026-01-01T13:00:00Z');
    expect(runs).toHaveLength(1);
  });
});
