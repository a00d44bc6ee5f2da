import { afterAll, beforeEach, expect, test } from 'bun:test';
import { createLog } from '../../src/log.ts';
import { createSchedules } from '../../src/schedules/schedules.ts';
import { installPlugin } from '../events/plugins.ts';
import { testDatabase } from '../kit/postgres.ts';
import { FakeClock, job } from './kit.ts';

// Jobs of a plugin whose scheduler an admin switched off.

const { db, drop } = await testDatabase();
afterAll(drop);
beforeEach(() => installPlugin(db, 'billing'));

test('ticks are skipped, said once, and not made up for; they go on when it is on again', async () => {
  const clock = new FakeClock('2026-01-01T12:00:30Z');
  const logged: string[] = [];
  const runs: string[] = [];
  let off = true;
  const schedules = createSchedules({
    db,
    clock,
    log: createLog('info', { write: (line) => logged.push(line) }),
    runner: {
      run: async () => void runs.push(new Date(clock.now()).toISOString().slice(11, 16)),
      rests: (plugin) => off && plugin === 'billing',
    },
  });
  await schedules.replace('billing', [job({ catchUp: true, overlap: 'allow' })]);
  clock.to('2026-01-01T12:16:00Z');
  expect(runs).toEqual([]);
  expect(logged.filter((line) => line.includes('switched off'))).toHaveLength(1);
  expect(schedules.list('billing')).toMatchObject([{ lastRunAt: null, nextRunAt: '2026-01-01T12:20:00.000Z' }]);
  const refused = await schedules.runNow('billing', 'poll').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'capability_off' });

  off = false;
  clock.to('2026-01-01T12:26:00Z');
  expect(runs).toEqual(['12:20', '12:25']);
  off = true;
  clock.to('2026-01-01T12:31:00Z');
  expect(logged.filter((line) => line.includes('switched off'))).toHaveLength(2);
  await schedules.stop();
});
