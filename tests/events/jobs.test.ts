import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Db } from '../../src/db/client.ts';
import { DeliveryJobs } from '../../src/events/bulk.ts';
import {
  BULK_LIMITS,
  type BulkFilter,
  type BulkJob,
  type BulkKind,
  createBulkJob,
  findBulkJob,
} from '../../src/events/bulk-jobs.ts';
import { publish } from '../../src/events/publish.ts';
import { replaceSubscriptions } from '../../src/events/subscriptions.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { installPlugin, plain, resetEvents } from './plugins.ts';

let database: TestDatabase;
let db: Db;
const pokes: string[] = [];
let jobs: DeliveryJobs;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
  jobs = new DeliveryJobs({ db, log: createLog('error'), poke: (plugins) => pokes.push(...plugins) });
});
afterEach(async () => {
  await resetEvents(db);
  await db.deleteFrom('audit_log').execute();
  pokes.length = 0;
});
afterAll(() => database.drop());

const ADMIN = '01890000-0000-7000-8000-0000000000aa';
const create = (plugin: string, kind: BulkKind, filter: BulkFilter): Promise<BulkJob> =>
  db.transaction().execute((trx) => createBulkJob(trx, { plugin, kind, filter, createdBy: ADMIN }));
const names = async (plugin: string, state: string) => {
  const rows = await db
    .selectFrom('deliveries as d')
    .innerJoin('events as e', 'e.id', 'd.event_id')
    .select('e.name')
    .where('d.plugin_name', '=', plugin)
    .where('d.state', '=', state)
    .orderBy('d.id')
    .execute();
  return rows.map(({ name }) => name);
};
const setState = async (plugin: string, state: string) => {
  await db.updateTable('deliveries').set({ state, attempts: 8 }).where('plugin_name', '=', plugin).execute();
};
/** Events, and when they were published: minutes ago. */
async function publishAt(...events: [name: string, minutes: number][]): Promise<void> {
  for (const [name, minutes] of events) {
    const id = await publish(db, { name, data: { name } });
    await sql`update events set created_at = now() - make_interval(mins => ${minutes}::int) where id = ${id}`.execute(
      db,
    );
  }
}
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

describe('a replay', () => {
  test('brings the events of the range that a later subscription matches, oldest first, and those alone', async () => {
    await publishAt(['user.a', 50], ['user.b', 30], ['session.a', 30], ['user.c', 20], ['user.d', 5]);
    await installPlugin(db, 'late', ['user.*']);
    const { id } = await create('late', 'replay', { from: ago(40), to: ago(10) });
    expect(await jobs.batch()).toBe('progress');
    expect(await names('late', 'pending')).toEqual(['user.b', 'user.c']);
    expect(pokes).toEqual(['late']);
    expect(await findBulkJob(db, 'late', id)).toMatchObject({ state: 'done', looked: 3, changed: 2 });
    expect(await jobs.batch()).toBe('none');
  });

  test('brings what was delivered again, or only what was not; what waits is left alone', async () => {
    await installPlugin(db, 'billing', ['user.*']);
    await publishAt(['user.a', 5]);
    await setState('billing', 'done');
    await replaceSubscriptions(db, 'billing', [plain('session.*')]);
    await publishAt(['user.b', 5], ['session.a', 5]);
    await replaceSubscriptions(db, 'billing', [plain('*')]);
    await create('billing', 'replay', { from: ago(60), states: ['missing'] });
    await jobs.batch();
    expect(await names('billing', 'pending')).toEqual(['session.a', 'user.b']);
    expect(await names('billing', 'done')).toEqual(['user.a']);
    await create('billing', 'replay', { from: ago(60), pattern: 'user.*' });
    await jobs.batch();
    expect((await names('billing', 'pending')).sort()).toEqual(['session.a', 'user.a', 'user.b']);
  });

  test('gives keys as a publisher does', async () => {
    await publishAt(['user.a', 5]);
    await installPlugin(db, 'late', [plain('*'), { pattern: 'user.*', orderBy: 'name', concurrency: null }]);
    await create('late', 'replay', { from: ago(60) });
    await jobs.batch();
    const row = await db.selectFrom('deliveries').select('order_key').executeTakeFirstOrThrow();
    expect(row.order_key).toBe('user.a');
  });

  test('goes in batches, each noted with what it did; two cores share it', async () => {
    const events = BULK_LIMITS.batch * 2 + 10;
    await sql`
      insert into events (id, name, data, source, created_at)
      select gen_random_uuid(), 'user.a', '1', 'core', now() - interval '1 minute' from generate_series(1, ${events}::int)
    `.execute(db);
    await installPlugin(db, 'late', ['*']);
    const { id } = await create('late', 'replay', { from: ago(60) });
    const other = new DeliveryJobs({ db, log: createLog('error'), poke: () => undefined });
    await jobs.batch();
    expect(await findBulkJob(db, 'late', id)).toMatchObject({ state: 'running', looked: 1_000, changed: 1_000 });
    await other.batch();
    await jobs.batch();
    expect(await findBulkJob(db, 'late', id)).toMatchObject({ state: 'done', looked: events, changed: events });
  });

  test('waits while the plugin is behind', async () => {
    await installPlugin(db, 'slow', ['*']);
    await sql`
      with e as (
        insert into events (id, name, data, source)
        select gen_random_uuid(), 'user.a', '1', 'core' from generate_series(1, ${BULK_LIMITS.pending}::int) returning id
      ) insert into deliveries (event_id, plugin_name) select id, 'slow' from e`.execute(db);
    const { id } = await create('slow', 'replay', { from: ago(60) });
    expect(await jobs.batch()).toBe('waiting');
    expect(await findBulkJob(db, 'slow', id)).toMatchObject({ state: 'running', looked: 0 });
    await setState('slow', 'done');
    expect(await jobs.batch()).toBe('progress');
  });
});

test('dead letters are redelivered by name and time; the others stay', async () => {
  await installPlugin(db, 'billing', ['*']);
  await publishAt(['user.a', 50], ['user.b', 5], ['session.a', 5]);
  await setState('billing', 'dead');
  await create('billing', 'redeliver', { from: ago(10), pattern: 'user.*' });
  await jobs.batch();
  expect(await names('billing', 'pending')).toEqual(['user.b']);
  expect(await names('billing', 'dead')).toEqual(['user.a', 'session.a']);
  const { attempts } = await db
    .selectFrom('deliveries')
    .select('attempts')
    .where('state', '=', 'pending')
    .executeTakeFirstOrThrow();
  expect(attempts).toBe(0);
});

test('what is dropped is gone, and the next of its key is awake', async () => {
  await installPlugin(db, 'billing', [{ pattern: '*', orderBy: 'name', concurrency: null }]);
  await publishAt(['user.a', 5], ['user.a', 4]);
  await sql`update deliveries set next_attempt_at = 'infinity' where id = (select max(id) from deliveries)`.execute(db);
  await create('billing', 'drop', { states: ['pending'], to: new Date(Date.now() - 270_000).toISOString() });
  await jobs.batch();
  const { rows } = await sql<{ awake: boolean }>`select next_attempt_at <= now() as awake from deliveries`.execute(db);
  expect(rows).toEqual([{ awake: true }]);
});

test('a plugin has few unfinished jobs, and the end of one is in the audit log', async () => {
  await installPlugin(db, 'billing', ['*']);
  for (let n = 0; n < BULK_LIMITS.running; n += 1) await create('billing', 'redeliver', {});
  await expect(create('billing', 'redeliver', {})).rejects.toMatchObject({ code: 'conflict' });
  await jobs.batch();
  await create('billing', 'redeliver', {});
  const log = await db.selectFrom('audit_log').select(['action', 'actor', 'target']).execute();
  expect(log).toEqual([{ action: 'deliveries.redeliver.done', actor: ADMIN, target: 'billing' }]);
});
