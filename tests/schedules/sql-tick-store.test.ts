import { afterAll, describe } from 'bun:test';
import { SCHEDULE_LIMITS } from '../../src/schedules/limits.ts';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { testDatabase } from '../kit/postgres.ts';
import { FakeTime, sqlStore } from './kit.ts';
import { testTickStore } from './tick-store-conformance.ts';

const { db, drop } = await testDatabase();
afterAll(drop);

const limits = { ...SCHEDULE_LIMITS, overlapping: 3, waiting: 3 };

describe('ticks in Postgres', () => {
  testTickStore(async () => {
    const time = new FakeTime('2026-01-01T12:00:00Z');
    return {
      core: () => sqlStore(db, time, limits),
      advance: (ms) => time.jump(new Date(time.now() + ms).toISOString()),
      now: () => time.now(),
      async install(plugin, digest) {
        await installPlugin(db, plugin);
        await db.updateTable('installed_plugins').set({ package_digest: digest }).where('name', '=', plugin).execute();
      },
      async change(plugin, { digest, enabled }) {
        const set = {
          ...(digest !== undefined && { package_digest: digest }),
          ...(enabled !== undefined && { enabled }),
        };
        await db.updateTable('installed_plugins').set(set).where('name', '=', plugin).execute();
      },
      async runs(plugin) {
        const rows = await db
          .selectFrom('job_runs')
          .selectAll()
          .where('plugin_name', '=', plugin)
          .orderBy('id')
          .execute();
        return rows.map(({ tick_at, ...row }) => ({ ...row, tick: tick_at?.getTime() ?? null }));
      },
      close: () => resetEvents(db),
    };
  }, limits);
});
