import { expect, test } from 'bun:test';
import { job, setUpSchedules } from './kit.ts';

// Jobs of a plugin whose scheduler an admin switched off.

const { rig, runRows } = await setUpSchedules();

test('ticks are skipped, said once, and not made up for; they go on when it is on again', async () => {
  const logged: string[] = [];
  let off = true;
  const { replace, schedules, time, times } = rig('2026-01-01T12:00:30Z', {
    log: (line) => logged.push(line),
    rests: (plugin) => off && plugin === 'billing',
  });
  await replace([job({ catchUp: 'all', overlap: 'allow' })]);
  await time.to('2026-01-01T12:11:00Z');
  time.jump('2026-01-01T12:17:00Z');
  await time.to('2026-01-01T12:17:00Z');
  expect(times()).toEqual([]);
  expect(logged.filter((line) => line.includes('switched off'))).toHaveLength(1);
  expect(schedules.list('billing')).toMatchObject([{ lastRunAt: null, nextRunAt: '2026-01-01T12:20:00.000Z' }]);
  expect((await runRows()).map(({ state }) => state)).toEqual(['skipped', 'skipped']);
  const refused = await schedules.runNow('billing', 'poll').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'capability_off' });

  off = false;
  await time.to('2026-01-01T12:26:00Z');
  expect(times()).toEqual(['12:20:00', '12:25:00']);
  off = true;
  await time.to('2026-01-01T12:31:00Z');
  expect(logged.filter((line) => line.includes('switched off'))).toHaveLength(2);
});
