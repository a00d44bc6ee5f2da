import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { createLog } from '../../src/log.ts';
import { beginArrival, unfinishedArrivals } from '../../src/plugins/arrivals.ts';
import { Leases } from '../../src/replicas/leases.ts';
import { Replica } from '../../src/replicas/replica.ts';
import { unfinishedPoints } from '../../src/restore-points/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

// Who is there, who is gone, and what is given back then: by Postgres' clock.

const log = createLog('silent');
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.drop());
beforeEach(async () => {
  await sql`truncate replicas, leases, events, deliveries, plugin_arrivals, restore_points cascade`.execute(
    database.db,
  );
});

const replicaOf = (address: string, isShared = true): Replica =>
  new Replica({ db: database.db, log, isShared, address, filesFolder: 'f' });

/** As if it had given no sign of life for a minute. */
async function silence(replica: Replica): Promise<void> {
  await sql`update replicas set seen_at = seen_at - interval '1 minute' where id = ${replica.id}`.execute(database.db);
}

async function delivery(claimedBy: string): Promise<number> {
  const id = Bun.randomUUIDv7();
  await sql`insert into events (id, name, data, source) values (${id}, 'custom.x', '{}', 'core')`.execute(database.db);
  const { rows } = await sql<{ id: number }>`
    insert into deliveries (event_id, plugin_name, attempts, claimed_by, next_attempt_at)
    values (${id}, 'taker', 1, ${claimedBy}, now() + interval '1 minute') returning id`.execute(database.db);
  return rows[0]?.id ?? 0;
}
const holders = async (): Promise<(string | null)[]> =>
  (await database.db.selectFrom('deliveries').select('claimed_by').orderBy('id').execute()).map(
    (row) => row.claimed_by,
  );

test('each sees the others, and which plugins they are behind with', async () => {
  const [a, b] = [replicaOf('a'), replicaOf('b')];
  await a.start();
  await b.start();
  a.behind = { slow: { revision: 7, error: 'it does not load', since: '2026-01-01T00:00:00.000Z' } };
  expect((await a.list()).map(({ address, self, alive }) => ({ address, self, alive }))).toEqual([
    { address: 'a', self: true, alive: true },
    { address: 'b', self: false, alive: true },
  ]);
  expect((await a.list())[0]?.behind).toHaveProperty('slow');
  expect(await a.others()).toEqual([b.id]);
  await b.stop();
  expect(await a.others()).toEqual([]);
  await a.stop();
});

test('who gave no sign of life is gone, and what it was delivering is due at once; what others hold stays', async () => {
  const [dead, alive, next] = [replicaOf('dead'), replicaOf('alive'), replicaOf('next')];
  await dead.start();
  await alive.start();
  await delivery(dead.id);
  await delivery(alive.id);
  await silence(dead);
  await next.start();
  expect(await holders()).toEqual([null, alive.id]);
  const { rows } = await sql<{ due: boolean }>`
    select next_attempt_at <= clock_timestamp() as due from deliveries order by id`.execute(database.db);
  expect(rows.map(({ due }) => due)).toEqual([true, false]);
  expect((await next.list()).map(({ address }) => address)).toEqual(['alive', 'next']);
  for (const one of [dead, alive, next]) await one.stop();
});

test('on a database of its own, whoever was there before is gone, however young', async () => {
  const before = replicaOf('before', false);
  await before.start();
  await delivery(before.id);
  const after = replicaOf('after', false);
  await after.start();
  expect(await holders()).toEqual([null]);
  expect(await after.list()).toEqual([expect.objectContaining({ address: 'after', alive: true })]);
  await after.stop();
});

test('what a core that lives prepares is left alone; what a dead one has left is found', async () => {
  const [a, b] = [replicaOf('a'), replicaOf('b')];
  await a.start();
  await b.start();
  const { db } = database;
  await beginArrival(db, { name: 'arriving', keepsData: false }, a.id);
  await sql`
    insert into restore_points (plugin_name, reason, version, package_digest, source, config, grants, limits, owner)
    values ('arriving', 'upgrade', '1.0.0', '', 'upload', '{}', '{}', '{}', ${a.id})`.execute(db);
  await expect(beginArrival(db, { name: 'arriving', keepsData: false }, b.id)).rejects.toMatchObject({
    code: 'conflict',
  });
  expect(await unfinishedArrivals(db, undefined, b.id)).toEqual([]);
  expect(await unfinishedPoints(db)).toEqual([]);
  // Its own, from before the database went away, it may tidy up itself.
  expect(await unfinishedArrivals(db, 'arriving', a.id)).toHaveLength(1);
  await silence(a);
  expect(await unfinishedArrivals(db, undefined, b.id)).toHaveLength(1);
  expect(await unfinishedPoints(db)).toHaveLength(1);
  await a.stop();
  await b.stop();
});

test('a lease is one core’s until it ends or is given back', async () => {
  const [a, b] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()].map((id) => new Leases(database.db, id)) as [Leases, Leases];
  const { promise: done, resolve: finish } = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const working = a.during('sweep', () => {
    begun.resolve();
    return done;
  });
  await begun.promise;
  expect(await b.during('sweep', async () => 'never')).toBeNull();
  expect(await b.take('other')).toBe(true);
  finish('done');
  expect(await working).toEqual({ value: 'done' });
  expect(await b.take('sweep')).toBe(true);
  expect(await a.take('sweep')).toBe(false);
  await sql`update leases set ends_at = clock_timestamp() where name = 'sweep'`.execute(database.db);
  expect(await a.take('sweep')).toBe(true);
  expect(await b.take('sweep')).toBe(false);
});

test('of many cores that ask at once one has the lease', async () => {
  const asked = Array.from({ length: 20 }, () => new Leases(database.db, Bun.randomUUIDv7()).take('one'));
  expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(1);
});
