import { definePlugin } from '@streamspace/sdk';
import { StreamspaceDialect } from '@streamspace/sdk/kysely';
import { type Generated, type JSONColumnType, Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';

interface Tables {
  people: { id: Generated<number>; name: string; balance: Generated<string>; seen: Generated<string> };
  pets: { id: Generated<number>; owner: number; name: string; about: JSONColumnType<{ legs: number }> };
}

const db = new Kysely<Tables>({ dialect: new StreamspaceDialect({ transactionTimeoutMs: 10_000 }) });

const migrations: Record<string, Migration> = {
  '001-people': {
    up: async (trx) => {
      await trx.schema
        .createTable('people')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull().unique())
        .addColumn('balance', sql`numeric(12, 2)`, (column) => column.notNull().defaultTo(0))
        .addColumn('seen', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
        .execute();
    },
  },
  '002-pets': {
    up: async (trx) => {
      await trx.schema
        .createTable('pets')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('owner', 'integer', (column) => column.notNull().references('people.id').onDelete('cascade'))
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('about', 'jsonb', (column) => column.notNull())
        .execute();
    },
  },
};

export default definePlugin({
  async onLoad({ api }) {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    const ran = results.map(({ migrationName, status }) => `${migrationName} ${status}`);
    const open = { auth: 'public' } as const;

    api.get('/migrated', () => ran, open);
    api.get(
      '/people',
      async () => {
        const ada = await db
          .insertInto('people')
          .values({ name: 'Ada', balance: '12.50' })
          .returning(['id', 'balance', 'seen'])
          .executeTakeFirstOrThrow();
        const { numInsertedOrUpdatedRows } = await db
          .insertInto('pets')
          .values([
            { owner: ada.id, name: 'Rex', about: JSON.stringify({ legs: 4 }) },
            { owner: ada.id, name: 'Tweety', about: JSON.stringify({ legs: 2 }) },
          ])
          .executeTakeFirstOrThrow();
        const joined = await db
          .selectFrom('people')
          .innerJoin('pets', 'pets.owner', 'people.id')
          .select(['people.name as owner', 'pets.name', 'pets.about'])
          .orderBy('pets.id')
          .execute();
        const updated = await db
          .updateTable('people')
          .set(({ eb }) => ({ balance: eb('balance', '+', '0.01') }))
          .where('id', '=', ada.id)
          .returning('balance')
          .executeTakeFirstOrThrow();
        const deleted = await db.deleteFrom('pets').where('name', '=', 'Rex').executeTakeFirstOrThrow();
        return {
          balance: ada.balance,
          isMoment: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(ada.seen),
          inserted: Number(numInsertedOrUpdatedRows),
          joined,
          updated: updated.balance,
          deleted: Number(deleted.numDeletedRows),
        };
      },
      open,
    );
    api.get(
      '/transactions',
      async () => {
        const kept = await db.transaction().execute(async (trx) => {
          await trx.insertInto('people').values({ name: 'Bob' }).execute();
          return trx.selectFrom('people').select('name').where('name', '=', 'Bob').executeTakeFirstOrThrow();
        });
        const undone = await db
          .transaction()
          .setIsolationLevel('serializable')
          .execute(async (trx) => {
            await trx.insertInto('people').values({ name: 'Cy' }).execute();
            await trx.insertInto('people').values({ name: 'Bob' }).execute();
          })
          .then(
            () => 'committed',
            (error: unknown) => error instanceof streamspace.DatabaseError && error.sqlstate,
          );
        const trx = await db.startTransaction().execute();
        const part = await trx.savepoint('part').execute();
        await part.insertInto('people').values({ name: 'Di' }).execute();
        await part.rollbackToSavepoint('part').execute();
        await trx.insertInto('people').values({ name: 'Ed' }).execute();
        await trx.commit().execute();
        const names = await db.selectFrom('people').select('name').where('name', '<>', 'Ada').orderBy('name').execute();
        return { kept, undone, names: names.map(({ name }) => name) };
      },
      open,
    );
    api.get(
      '/stream',
      async () => {
        let rows = 0;
        let chars = 0;
        const many = sql<{ text: string }>`(select repeat('ü', 100) as text from generate_series(1, 20000))`;
        for await (const { text } of db.selectFrom(many.as('many')).select('many.text').stream(500)) {
          rows += 1;
          chars += text.length;
        }
        const tables = await db.introspection.getTables();
        return { rows, chars, tables: tables.map(({ name }) => name).sort() };
      },
      open,
    );
  },
});
