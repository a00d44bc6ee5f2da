import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { Db } from '../../src/db/client.ts';
import { createSql } from '../../src/db/sql.ts';
import { DELIVERIES_CHANNEL, publish } from '../../src/events/publish.ts';
import { clearSubscriptions, replaceSubscriptions } from '../../src/events/subscriptions.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { installPlugin, plain, resetEvents } from './plugins.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(() => resetEvents(db));
afterAll(() => database.drop());

/** The plugins that the event was addressed to. */
async function addressees(event: string): Promise<string[]> {
  const rows = await db.selectFrom('deliveries').select('plugin_name').where('event_id', '=', event).execute();
  return rows.map((row) => row.plugin_name).sort();
}

async function stored(event: string): Promise<unknown> {
  const row = await db.selectFrom('events').select('data').where('id', '=', event).executeTakeFirstOrThrow();
  return row.data;
}

describe('publish', () => {
  test('stores the event and answers its id, a UUIDv7', async () => {
    const id = await publish(db, { name: 'user.created', data: { email: 'a@b', n: [1, null, 'ü'] } });
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const row = await db.selectFrom('events').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ name: 'user.created', data: { email: 'a@b', n: [1, null, 'ü'] }, source: 'core' });
  });

  test.each([['text'], ['"quoted"'], [7], [true], [null], [[]], [{ __proto__x: 1 }]])(
    'keeps %j as it is',
    async (data) => {
      expect(await stored(await publish(db, { name: 'a.b', data }))).toEqual(data);
    },
  );

  test('undefined is null', async () => {
    expect(await stored(await publish(db, { name: 'a.b', data: undefined }))).toBeNull();
  });

  test('addresses each plugin that subscribes, once, however many patterns match', async () => {
    await installPlugin(db, 'exact', ['user.created']);
    await installPlugin(db, 'prefix', ['user.*']);
    await installPlugin(db, 'every', ['*', 'user.*', 'user.created']);
    await installPlugin(db, 'other', ['session.*', 'userx.*', 'user', 'user.created.*', 'user.deleted']);
    await installPlugin(db, 'none');
    expect(await addressees(await publish(db, { name: 'user.created', data: 1 }))).toEqual([
      'every',
      'exact',
      'prefix',
    ]);
  });

  test('a prefix reaches any depth below it, and a plugin hears its own events', async () => {
    await installPlugin(db, 'deep', ['plugin.*']);
    await installPlugin(db, 'own', ['plugin.own.*']);
    const id = await publish(db, { name: 'plugin.own.a.b.c', data: 1, source: 'own' });
    expect(await addressees(id)).toEqual(['deep', 'own']);
  });

  test('wildcards of SQL in a name are letters', async () => {
    await installPlugin(db, 'under', ['a_c.*']);
    expect(await addressees(await publish(db, { name: 'abc.x', data: 1 }))).toEqual([]);
    expect(await addressees(await publish(db, { name: 'a_c.x', data: 1 }))).toEqual(['under']);
  });

  test('stands or falls with the transaction of the change', async () => {
    await installPlugin(db, 'every', ['*']);
    const failed = db.transaction().execute(async (trx) => {
      await publish(trx, { name: 'user.created', data: 1 });
      throw new Error('the change failed');
    });
    await expect(failed).rejects.toThrow('the change failed');
    expect(await db.selectFrom('events').selectAll().execute()).toEqual([]);
    expect(await db.selectFrom('deliveries').selectAll().execute()).toEqual([]);
  });

  test('does not fail, nor wait, while a plugin that subscribes is being uninstalled', async () => {
    await installPlugin(db, 'leaving', ['*']);
    const published = await db.transaction().execute(async (trx) => {
      await trx.deleteFrom('installed_plugins').where('name', '=', 'leaving').execute();
      return publish(db, { name: 'user.created', data: 1 });
    });
    expect(published).toBeString();
  });

  test('uninstalling takes deliveries and subscriptions along', async () => {
    await installPlugin(db, 'every', ['*']);
    await publish(db, { name: 'user.created', data: 1 });
    await db.deleteFrom('installed_plugins').execute();
    expect(await db.selectFrom('deliveries').selectAll().execute()).toEqual([]);
    expect(await db.selectFrom('plugin_subscriptions').selectAll().execute()).toEqual([]);
  });

  test('hints when there is something to deliver, and only then', async () => {
    const sql = createSql({ address: database.address, max: 1, log: createLog('warn') });
    let hints = 0;
    const { promise: last, resolve } = Promise.withResolvers<void>();
    await sql.listen(DELIVERIES_CHANNEL, (payload) => {
      if (payload === 'last') resolve();
      else hints += 1;
    });
    await publish(db, { name: 'user.created', data: 1 });
    await installPlugin(db, 'every', ['*']);
    await publish(db, { name: 'user.created', data: 1 });
    await sql.notify(DELIVERIES_CHANNEL, 'last');
    await last;
    await sql.end();
    expect(hints).toBe(1);
  });
});

describe('publish refuses', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

  test.each([
    ['a name with a space', 'a b', 1],
    ['a pattern', 'a.*', 1],
    ['a name too long', 'a'.repeat(65), 1],
    ['NUL in a value', 'a.b', { x: ['a\0'] }],
    ['NUL in a key', 'a.b', { 'x\0': 1 }],
    ['half a surrogate pair', 'a.b', '\ud800'],
    ['data too deep', 'a.b', nested(33)],
  ])('%s', async (_, name, data) => {
    await expect(publish(db, { name, data })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await db.selectFrom('events').selectAll().execute()).toEqual([]);
  });

  test('data over 256 KiB of JSON, counted in bytes', async () => {
    const max = 256 * 1024;
    // Two bytes a letter in UTF-8, two quotes around them.
    await publish(db, { name: 'a.b', data: 'ü'.repeat(max / 2 - 1) });
    await expect(publish(db, { name: 'a.b', data: 'ü'.repeat(max / 2) })).rejects.toMatchObject({
      code: 'payload_too_large',
      extra: { limit: max },
    });
  });

  test('a circle, without ending the process', async () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    await expect(publish(db, { name: 'a.b', data: circle })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('but not data of just the allowed depth', async () => {
    expect(await stored(await publish(db, { name: 'a.b', data: nested(32) }))).toEqual(nested(32));
  });
});

describe('subscriptions', () => {
  const patterns = async (plugin: string) => {
    const rows = await db
      .selectFrom('plugin_subscriptions')
      .select('pattern')
      .where('plugin_name', '=', plugin)
      .execute();
    return rows.map(({ pattern }) => pattern).sort();
  };

  test('replace makes the set what is given, and leaves other plugins alone', async () => {
    await installPlugin(db, 'one', ['a.*', 'b.*', 'b.*']);
    await installPlugin(db, 'two', ['a.*']);
    await replaceSubscriptions(db, 'one', ['b.*', 'c'].map(plain));
    expect(await patterns('one')).toEqual(['b.*', 'c']);
    await replaceSubscriptions(db, 'one', []);
    expect(await patterns('one')).toEqual([]);
    expect(await patterns('two')).toEqual(['a.*']);
  });

  test('changes that follow each other quickly end as the last one says', async () => {
    await installPlugin(db, 'one');
    const sets = Array.from({ length: 20 }, (_, i) => Array.from({ length: i }, (_, n) => `p${n}.*`));
    await Promise.all(sets.map((set) => replaceSubscriptions(db, 'one', set.map(plain))));
    expect(await patterns('one')).toEqual([...(sets.at(-1) ?? [])].sort());
  });

  test('clear ends all', async () => {
    await installPlugin(db, 'one', ['a.*', 'b.*']);
    await clearSubscriptions(db, 'one');
    expect(await patterns('one')).toEqual([]);
  });

  test('a plugin that is not installed has none', async () => {
    await expect(replaceSubscriptions(db, 'ghost', [plain('a.*')])).rejects.toThrow('foreign key');
  });
});
