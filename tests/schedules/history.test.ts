import { afterAll, beforeEach, expect, test } from 'bun:test';
import { Registry } from 'prom-client';
import { listRuns, pruneRuns } from '../../src/schedules/history.ts';
import { HISTORY_LIMITS } from '../../src/schedules/limits.ts';
import { createScheduleMetrics } from '../../src/schedules/metrics.ts';
import { createRunLog } from '../../src/schedules/run-log.ts';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { testDatabase } from '../kit/postgres.ts';
import { FakeTime, job, schedulesRig } from './kit.ts';

const { db, drop } = await testDatabase();
afterAll(drop);
beforeEach(async () => {
  await resetEvents(db);
  await installPlugin(db, 'billing');
});

test('old runs go, and what is too many of one job; not what waits or runs', async () => {
  const made = (job: string, state: string, agoHours: number) => {
    const at = new Date(Date.now() - agoHours * 3_600_000);
    const isOver = state !== 'queued' && state !== 'running';
    const times = { due_at: at, created_at: at, started_at: at, ended_at: isOver ? at : null };
    return { plugin_name: 'billing', job, trigger: 'manual', state, ...times };
  };
  await db
    .insertInto('job_runs')
    .values([
      ...[made('rare', 'ok', 300), made('rare', 'failed', 50), made('rare', 'running', 300)],
      ...[5, 4, 3, 2, 1].map((hours) => made('often', 'ok', hours)),
      made('often', 'queued', 300),
    ])
    .execute();
  expect(await pruneRuns(db, { ...HISTORY_LIMITS, perJob: 3, hours: 100, batch: 2 })).toBe(3);
  const left = async (name: string) => (await listRuns(db, 'billing', name, { limit: 10 })).map(({ state }) => state);
  expect(await left('rare')).toEqual(['running', 'failed']);
  expect(await left('often')).toEqual(['queued', 'ok', 'ok', 'ok']);
});

test('metrics count runs by outcome, how long they take and how late they are', async () => {
  const registry = new Registry();
  const metrics = createScheduleMetrics(registry);
  const time = new FakeTime('2026-01-01T12:00:00Z');
  let fail = true;
  const { replace, stop } = schedulesRig(db, time, {
    metrics,
    run: async () => {
      if (fail) throw new Error('boom');
    },
  });
  await replace([job()]);
  await time.to('2026-01-01T12:05:00Z');
  fail = false;
  await stop();
  const again = schedulesRig(db, time, { metrics });
  time.jump('2026-01-01T12:10:03Z');
  await again.replace([job()]);
  await time.quiet();
  const text = await registry.metrics();
  expect(text).toContain('streamspace_job_runs_total{plugin="billing",outcome="failed"} 1');
  expect(text).toContain('streamspace_job_runs_total{plugin="billing",outcome="ok"} 1');
  expect(text).toContain('streamspace_job_duration_seconds_count{plugin="billing"} 2');
  expect(text).toContain('streamspace_job_lateness_seconds_sum{plugin="billing"} 3');
  metrics.drop('billing');
  expect(await registry.metrics()).not.toContain('billing');
  await again.stop();
});

test('the log of a run is the newest of what was written meanwhile, within its bounds', () => {
  const entries = Array.from({ length: 9 }, (_, id) => ({
    id,
    time: `t${id}`,
    level: 'info' as const,
    message: 'x'.repeat(id),
  }));
  const asked: unknown[] = [];
  const logs = {
    read: (plugin: string, filter: { since?: number; limit: number }) => {
      asked.push([plugin, filter]);
      return entries.filter(({ id }) => id > (filter.since ?? -1)).slice(-filter.limit);
    },
  };
  const log = createRunLog(logs, { ...HISTORY_LIMITS, lines: 4, chars: 16 });
  expect(log.mark('billing')).toBe(8);
  expect(log.since('billing', 3)).toEqual([
    { time: 't7', level: 'info', message: 'x'.repeat(7) },
    { time: 't8', level: 'info', message: 'x'.repeat(8) },
  ]);
  expect(asked).toEqual([
    ['billing', { limit: 1 }],
    ['billing', { since: 3, limit: 4 }],
  ]);
});
