import { describe, expect, test } from 'bun:test';
import { job, type SchedulesRig, setUpSchedules } from './kit.ts';

const { rig, change, runRows } = await setUpSchedules();

/** A core that ran the job at 12:05 and stopped; the next one, at the time given, has its jobs replaced. */
async function restart(at: string, before = job({ catchUp: 'last' }), after = before): Promise<SchedulesRig> {
  const first = rig('2026-01-01T12:00:00Z');
  await first.replace([before]);
  await first.time.to('2026-01-01T12:05:00Z');
  await first.schedules.stop();
  const second = rig(at);
  await second.replace([after]);
  await second.time.quiet();
  return second;
}

describe('after a restart', () => {
  test('`last`: one run makes up for all that were missed, and the beat goes on', async () => {
    const { time, runs, times } = await restart('2026-01-01T13:02:00Z');
    expect(runs).toMatchObject([{ scheduledAt: '2026-01-01T13:00:00.000Z', catchUp: true }]);
    await time.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:00:00', '13:05:00']);
    expect(runs[1]?.catchUp).toBe(false);
  });

  test('`all`: each that was missed has its run, in order', async () => {
    const { times, runs, time } = await restart('2026-01-01T12:32:00Z', job({ catchUp: 'all' }));
    await time.to('2026-01-01T12:35:00Z');
    expect(times()).toEqual(['12:10:00', '12:15:00', '12:20:00', '12:25:00', '12:30:00', '12:35:00']);
    expect(runs.map(({ catchUp }) => catchUp)).toEqual([true, true, true, true, true, false]);
    expect((await runRows()).map(({ trigger }) => trigger)).toEqual([
      'tick',
      ...Array<string>(5).fill('catch-up'),
      'tick',
    ]);
  });

  test('`all` is bounded: the newest', async () => {
    const first = rig('2026-01-01T12:00:00Z');
    await first.replace([job({ catchUp: 'all' })]);
    await first.schedules.stop();
    const second = rig('2026-01-01T14:02:00Z', { limits: { catchUps: 3 } });
    await second.replace([job({ catchUp: 'all' })]);
    await second.time.quiet();
    expect(second.times()).toEqual(['13:50:00', '13:55:00', '14:00:00']);
  });

  test('`none`: nothing is made up for', async () => {
    const { runs, time, times } = await restart('2026-01-01T13:02:00Z', job());
    expect(runs).toEqual([]);
    await time.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:05:00']);
  });

  test('nothing is made up for when nothing was missed', async () => {
    const { runs, time, times } = await restart('2026-01-01T12:09:59Z');
    expect(runs).toEqual([]);
    await time.to('2026-01-01T12:10:00Z');
    expect(times()).toEqual(['12:10:00']);
  });

  test('that took seconds no tick is missed: it runs late, as itself', async () => {
    const { runs } = await restart('2026-01-01T12:10:05Z', job());
    expect(runs).toMatchObject([{ scheduledAt: '2026-01-01T12:10:00.000Z', catchUp: false }]);
  });

  test('a tick that was made up for is not made up for again', async () => {
    const second = await restart('2026-01-01T13:02:00Z');
    await second.schedules.stop();
    const third = rig('2026-01-01T13:03:00Z');
    await third.replace([job({ catchUp: 'last' })]);
    await third.time.quiet();
    expect(third.runs).toEqual([]);
  });

  test('a job that had not run yet is made up for too', async () => {
    const first = rig('2026-01-01T12:00:00Z');
    await first.replace([job({ catchUp: 'last' })]);
    await first.schedules.stop();
    const second = rig('2026-01-01T12:06:01Z');
    await second.replace([job({ catchUp: 'last' })]);
    await second.time.quiet();
    expect(second.runs).toMatchObject([{ scheduledAt: '2026-01-01T12:05:00.000Z', catchUp: true }]);
  });

  test('a job whose time has changed begins anew', async () => {
    const when = { cron: '*/3 * * * *', timezone: 'UTC' };
    const { runs } = await restart('2026-01-01T13:02:00Z', job({ catchUp: 'last' }), job({ catchUp: 'last', when }));
    expect(runs).toEqual([]);
  });

  test('an interval keeps its beat, and is made up for too', async () => {
    const when = { everyMs: 300_000 };
    const { time, times } = await restart('2026-01-01T13:02:00Z', job({ when, catchUp: 'last' }));
    expect(times()).toEqual(['13:00:00']);
    await time.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual(['13:00:00', '13:05:00']);
  });

  test('ticks while the plugin was disabled are not missed ones', async () => {
    const first = rig('2026-01-01T12:00:00Z');
    await first.replace([job({ catchUp: 'last' })]);
    await change({ enabled: false });
    await first.schedules.clear('billing');
    await first.time.to('2026-01-01T13:02:00Z');
    await change({ enabled: true });
    await first.replace([job({ catchUp: 'last' })]);
    await first.time.quiet();
    expect(first.runs).toEqual([]);
  });

  test('the last run is still known', async () => {
    const { schedules } = await restart('2026-01-01T12:07:00Z');
    expect(schedules.list('billing')).toMatchObject([{ lastRunAt: '2026-01-01T12:05:00.000Z', lastError: null }]);
  });

  test('of one of two cores the other one missed nothing', async () => {
    const a = rig('2026-01-01T12:00:00Z');
    const b = rig(a.time);
    for (const core of [a, b]) await core.replace([job({ catchUp: 'all' })]);
    await a.schedules.stop();
    await a.time.to('2026-01-01T13:02:00Z');
    const again = rig(a.time);
    await again.replace([job({ catchUp: 'all' })]);
    await a.time.to('2026-01-01T13:04:00Z');
    expect(again.runs).toEqual([]);
    expect(b.runs).toHaveLength(12);
  });
});

describe('machines that slept', () => {
  test.each([
    ['none', []],
    ['last', ['13:00:00']],
  ] as const)('have missed what is more than a minute late: %s', async (catchUp, made) => {
    const { replace, time, times } = rig('2026-01-01T12:00:00Z');
    await replace([job({ catchUp })]);
    time.jump('2026-01-01T13:02:00Z');
    await time.to('2026-01-01T13:02:00Z');
    expect(times()).toEqual([...made]);
    await time.to('2026-01-01T13:05:00Z');
    expect(times()).toEqual([...made, '13:05:00']);
  });
});
