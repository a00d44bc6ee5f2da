import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { createLog } from '../../src/log.ts';
import { ReplicaPauses } from '../../src/replicas/pauses.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

// While one core exchanges the database of a plugin, its calls wait on the others.

const log = createLog('silent');
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.drop());
beforeEach(async () => {
  await sql`truncate plugin_pauses cascade`.execute(database.db);
});

/** Two cores that know each other; what the second does is written down. */
function pair(quiet: Promise<void> = Promise.resolve()) {
  const ids = [Bun.randomUUIDv7(), Bun.randomUUIDv7()] as const;
  const done: string[] = [];
  const core = (me: 0 | 1, onPause: (plugin: string) => Promise<void>) =>
    new ReplicaPauses({
      db: database.db,
      log,
      replica: { id: ids[me], isShared: true, others: async () => [ids[1 - me] ?? ''] },
      pause: async (plugin) => {
        done.push(`paused ${plugin}`);
        await onPause(plugin);
        return async () => void done.push(`resumed ${plugin}`);
      },
    });
  return { done, ids, first: core(0, async () => undefined), second: core(1, () => quiet) };
}

test('the exchange waits until the others have paused, and they go on when it is over', async () => {
  const { promise: quiet, resolve: settle } = Promise.withResolvers<void>();
  const { done, first, second } = pair(quiet);
  let begun = false;
  const beginning = first.begin('notes').then((end) => {
    begun = true;
    return end;
  });
  await until(async () => {
    await second.look();
    return done.includes('paused notes');
  }, 'the second pauses');
  expect(begun).toBe(false);
  settle();
  const end = await beginning;
  await second.look();
  expect(done).toEqual(['paused notes']);
  await end();
  await second.look();
  expect(done).toEqual(['paused notes', 'resumed notes']);
  await first.stop();
  await second.stop();
});

test('of two that exchange the same database one is told to try again', async () => {
  const { first, second } = pair();
  const beginning = first.begin('notes');
  await until(() => database.db.selectFrom('plugin_pauses').selectAll().executeTakeFirst(), 'the first has begun');
  await expect(second.begin('notes')).rejects.toMatchObject({ code: 'plugin_busy' });
  await second.look();
  await (await beginning)();
  await second.stop();
});

test('a pause whose core has died ends by Postgres’ clock, and another may begin', async () => {
  const { done, ids, second } = pair();
  await sql`
    insert into plugin_pauses values ('notes', ${ids[0]}, clock_timestamp() + interval '1 hour')`.execute(database.db);
  await second.look();
  await until(
    () => database.db.selectFrom('plugin_pauses_kept').selectAll().executeTakeFirst(),
    'the second says that it has paused',
  );
  await sql`update plugin_pauses set ends_at = clock_timestamp()`.execute(database.db);
  // It looks by itself while something is paused.
  await until(() => done.includes('resumed notes'), 'it goes on');
  const alone = new ReplicaPauses({
    db: database.db,
    log,
    replica: { id: ids[1], isShared: true, others: async () => [] },
    pause: async () => async () => undefined,
  });
  await (await alone.begin('notes'))();
  expect(await database.db.selectFrom('plugin_pauses').selectAll().execute()).toEqual([]);
  await second.stop();
});

test('on a database of its own a core writes nothing', async () => {
  const alone = new ReplicaPauses({
    db: database.db,
    log,
    replica: { id: Bun.randomUUIDv7(), isShared: false, others: async () => [] },
    pause: async () => async () => undefined,
  });
  const end = await alone.begin('notes');
  expect(await database.db.selectFrom('plugin_pauses').selectAll().execute()).toEqual([]);
  await end();
});
