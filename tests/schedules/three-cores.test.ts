import { afterAll, beforeEach, expect, test } from 'bun:test';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { testDatabase } from '../kit/postgres.ts';
import { FakeTime, job, schedulesRig } from './kit.ts';

const { db, drop } = await testDatabase();
afterAll(drop);
beforeEach(async () => {
  await resetEvents(db);
  await installPlugin(db, 'billing');
});

test('three cores, two of them with a clock that is off, run 1,000 ticks exactly 1,000 times', async () => {
  const time = new FakeTime('2026-01-01T12:00:00Z');
  const cores = [0, 150_000, -150_000].map((skewMs) =>
    schedulesRig(db, time, { skewMs, limits: { maxSleepMs: 5_000 } }),
  );
  const jobs = ['a', 'b', 'c', 'd'].map((name) => job({ name, when: { everyMs: 1_000 } }));
  await Promise.all(cores.map((core) => core.replace(jobs)));
  const begun = performance.now();
  await time.to('2026-01-01T12:04:10.500Z');
  const took = performance.now() - begun;
  const runs = cores.flatMap((core) => core.runs.map((run) => `${run.name} ${run.scheduledAt}`));
  expect(runs).toHaveLength(1_000);
  expect(new Set(runs).size).toBe(1_000);
  // None of them is the one that does it all by accident of the test.
  console.info(
    `1,000 ticks on three cores: ${Math.round(took)} ms; ${cores.map((core) => core.runs.length).join(' + ')}`,
  );
  const rows = await db.selectFrom('job_runs').select(['state']).execute();
  expect(rows.filter(({ state }) => state === 'ok')).toHaveLength(1_000);
  expect(rows).toHaveLength(1_000);
  for (const core of cores) await core.stop();
});
