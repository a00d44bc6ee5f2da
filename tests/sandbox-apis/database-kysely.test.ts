import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Generated, type JSONColumnType, Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { StreamspaceDialect } from '../../sandbox-apis/database/kysely.ts';
import { databaseRoom } from '../kit/database-room.ts';
import { plainDatabases } from '../kit/plain-databases.ts';
import { testDatabase } from '../kit/postgres.ts';

// The dialect over the guest half; tests/packages/npm has it in an isolate.

interface Tables {
  people: { id: Generated<number>; name: string; tags: string[] | null };
  pets: { id: Generated<number>; owner: number; name: string; about: JSONColumnType<{ legs: number }> };
}

const home = await testDatabase();
if ('url' in home.address) throw new Error('the tests have a socket');
const databases = await plainDatabases(home.address);
const { database, called } = databaseRoom(databases);
const before = Object.getOwnPropertyDescriptor(globalThis, 'streamspace');
Object.defineProperty(globalThis, 'streamspace', { value: { database }, configurable: true });
const db = new Kysely<Tables>({ dialect: new StreamspaceDialect({ transactionTimeoutMs: 5_000 }) });

afterAll(async () => {
  await db.destroy();
  if (before === undefined) Reflect.deleteProperty(globalThis, 'streamspace');
  else Object.defineProperty(globalThis, 'streamspace', before);
  await databases.close();
  await home.drop();
});
beforeEach(async () => {
  await db.schema.dropTable('pets').ifExists().execute();
  await db.schema.dropTable('people').ifExists().execute();
  await db.schema
    .createTable('people')
    .addColumn('id', 'serial', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('tags', sql`text[]`)
    .execute();
  await db.schema
    .createTable('pets')
    .addColumn('id', 'serial', (column) => column.primaryKey())
    .addColumn('owner', 'integer', (column) => column.references('people.id'))
    .addColumn('name', 'text')
    .addColumn('about', 'jsonb')
    .execute();
});

const ada = () =>
  db
    .insertInto('people')
    .values({ name: 'Ada', tags: ['a', 'b"'] })
    .returningAll()
    .executeTakeFirstOrThrow();
const names = async (): Promise<string[]> =>
  (await db.selectFrom('people').select('name').orderBy('id').execute()).map(({ name }) => name);

describe('queries', () => {
  test('insert returning, select, update, delete, with their counts', async () => {
    expect(await ada()).toEqual({ id: 1, name: 'Ada', tags: ['a', 'b"'] });
    const many = await db
      .insertInto('people')
      .values([{ name: 'Bob' }, { name: 'Cy' }])
      .executeTakeFirst();
    expect(many.numInsertedOrUpdatedRows).toBe(2n);
    const updated = await db.updateTable('people').set({ tags: null }).where('id', '<', 3).executeTakeFirst();
    expect(updated.numUpdatedRows).toBe(2n);
    expect(await names()).toEqual(['Ada', 'Bob', 'Cy']);
    expect((await db.deleteFrom('people').where('name', '=', 'Ada').executeTakeFirst()).numDeletedRows).toBe(1n);
    expect(await db.selectFrom('people').selectAll().where('id', '=', 1).executeTakeFirst()).toBeUndefined();
  });

  test('joins, aggregates and JSON', async () => {
    const { id } = await ada();
    await db
      .insertInto('pets')
      .values({ owner: id, name: 'Rex', about: JSON.stringify({ legs: 4 }) })
      .execute();
    const rows = await db
      .selectFrom('people')
      .leftJoin('pets', 'pets.owner', 'people.id')
      .select(['people.name', 'pets.name as pet', 'pets.about'])
      .execute();
    expect(rows).toEqual([{ name: 'Ada', pet: 'Rex', about: { legs: 4 } }]);
    const { count } = await db
      .selectFrom('pets')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    expect(count).toBe(1);
  });

  test('what Postgres refuses is a DatabaseError', async () => {
    await ada();
    await expect(ada()).rejects.toMatchObject({ name: 'DatabaseError', sqlstate: '23505' });
  });

  test('streams', async () => {
    await db
      .insertInto('people')
      .values(Array.from({ length: 7 }, (_, n) => ({ name: `p${n}` })))
      .execute();
    const seen: string[] = [];
    for await (const { name } of db.selectFrom('people').select('name').orderBy('id').stream(3)) seen.push(name);
    expect(seen).toEqual(['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6']);
    const cancelled = databases.cancelled;
    for await (const row of db.selectFrom('people').select('name').stream(2)) {
      expect(row.name).toBe('p0');
      break;
    }
    expect(databases.cancelled).toBe(cancelled + 1);
  });

  test('introspection', async () => {
    const tables = await db.introspection.getTables();
    const people = tables.find(({ name }) => name === 'people');
    expect(
      people?.columns.map(({ name, dataType, isAutoIncrementing }) => [name, dataType, isAutoIncrementing]),
    ).toEqual([
      ['id', 'int4', true],
      ['name', 'text', false],
      ['tags', '_text', false],
    ]);
  });
});

describe('transactions', () => {
  test('commit, rollback, isolation', async () => {
    const level = await db
      .transaction()
      .setIsolationLevel('serializable')
      .setAccessMode('read write')
      .execute(async (trx) => {
        await trx.insertInto('people').values({ name: 'Ada' }).execute();
        expect(await names()).toEqual([]);
        return (await sql<{ level: string }>`select current_setting('transaction_isolation') as level`.execute(trx))
          .rows;
      });
    expect(level).toEqual([{ level: 'serializable' }]);
    const mine = new Error('mine');
    const attempt = db.transaction().execute(async (trx) => {
      await trx.insertInto('people').values({ name: 'Bob' }).execute();
      throw mine;
    });
    await expect(attempt).rejects.toBe(mine);
    expect(await names()).toEqual(['Ada']);
    await expect(
      db
        .transaction()
        .setIsolationLevel('snapshot')
        .execute(async () => 1),
    ).rejects.toThrow('snapshot');
  });

  test('a transaction of one that holds it, with savepoints', async () => {
    const trx = await db.startTransaction().execute();
    await trx.insertInto('people').values({ name: 'Ada' }).execute();
    const inner = await trx.savepoint('a "name"').execute();
    await inner.insertInto('people').values({ name: 'Bob' }).execute();
    await inner.rollbackToSavepoint('a "name"').execute();
    await inner.releaseSavepoint('a "name"').execute();
    await trx.commit().execute();
    expect(await names()).toEqual(['Ada']);
    const other = await db.startTransaction().execute();
    await other.deleteFrom('people').execute();
    await other.rollback().execute();
    expect(await names()).toEqual(['Ada']);
  });

  test('a failed statement makes the commit fail', async () => {
    const attempt = db.transaction().execute(async (trx) => {
      await trx.insertInto('people').values({ name: 'Ada' }).execute();
      await sql`select nothing`.execute(trx).catch(() => undefined);
    });
    await expect(attempt).rejects.toMatchObject({ code: 'database_error' });
    expect(await names()).toEqual([]);
  });

  test('streams inside', async () => {
    const seen = await db.transaction().execute(async (trx) => {
      await trx
        .insertInto('people')
        .values([{ name: 'Ada' }, { name: 'Bob' }])
        .execute();
      return Array.fromAsync(trx.selectFrom('people').select('name').orderBy('id').stream());
    });
    expect(seen).toEqual([{ name: 'Ada' }, { name: 'Bob' }]);
    expect(called.at(-2)).toBe('database.txStream');
  });
});

describe("Kysely's migrator", () => {
  const migrations: Record<string, Migration> = {
    '001': {
      up: (trx) => trx.schema.createTable('migrated').addColumn('a', 'integer').execute(),
      down: (trx) => trx.schema.dropTable('migrated').execute(),
    },
    '002': {
      up: (trx) => trx.schema.alterTable('migrated').addColumn('b', 'integer').execute(),
      down: (trx) => trx.schema.alterTable('migrated').dropColumn('b').execute(),
    },
  };
  const migrator = (all: Record<string, Migration>): Migrator =>
    new Migrator({ db, provider: { getMigrations: async () => all } });
  const ran = ({ results = [] }: { results?: { migrationName: string; status: string }[] | undefined }) =>
    results.map(({ migrationName, status }) => `${migrationName} ${status}`);

  test('up once, also by several at a time, and down', async () => {
    const both = await Promise.all([migrator(migrations).migrateToLatest(), migrator(migrations).migrateToLatest()]);
    expect(both.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(both.map(ran).sort()).toEqual([[], ['001 Success', '002 Success']]);
    expect(ran(await migrator(migrations).migrateDown())).toEqual(['002 Success']);
    const broken = { ...migrations, '003': { up: () => Promise.reject(new Error('broken')) } };
    const { error, ...failed } = await migrator(broken).migrateToLatest();
    expect(error).toMatchObject({ message: 'broken' });
    expect(ran(failed)).toEqual(['002 Success', '003 Error']);
    const columns = (await db.introspection.getTables()).find(({ name }) => name === 'migrated')?.columns;
    expect(columns?.map(({ name }) => name)).toEqual(['a']);
  });
});
