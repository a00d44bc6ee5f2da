import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { serverSql } from '../kit/postgres.ts';
import { installSqlPlugin, type SqlPlugin } from '../kit/sql-plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// ADVERSARY 68, 70: what a call leaves in its session is gone for the next one; what it holds it holds no longer than its
// deadline, or its isolate.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: SqlPlugin;
let good: SqlPlugin;

/** Calls one after the other that meet each connection of a plugin's pool. */
const CALLS = 12;

beforeAll(async () => {
  core = await startCore();
  const limits = { wallMsPerCall: 3_000, cpuMsPerCall: 300 };
  evil = await installSqlPlugin(core, 'evil-holder', { limits });
  good = await installSqlPlugin(core, 'good-neighbour');
  for (const plugin of [evil, good]) {
    await plugin.rows('create table things (id int primary key, word text)');
    await plugin.rows(`insert into things values (1, 'one'), (2, 'two')`);
  }
});
afterAll(async () => {
  await core?.stop();
});

describe('68: what a session keeps', () => {
  const LEFT = [
    ['a cursor', `declare c cursor with hold for select 1 as one`, 'fetch all from c', '34000'],
    ['a prepared statement', 'prepare p as select 1 as one', 'execute p', '26000'],
  ] as const;

  test.each(LEFT)('%s is gone', async (_what, leave, use, sqlstate) => {
    for (let call = 0; call < CALLS; call += 1) {
      expect((await evil.sql(leave)).code).toBeUndefined();
      expect(await evil.sql(use)).toMatchObject({ sqlstate });
    }
  });

  test.each([
    ['set timezone', `set timezone = 'Asia/Tokyo'`, `current_setting('timezone')`],
    ['set search_path', `set search_path = pg_catalog`, `current_setting('search_path')`],
    ['set work_mem', `set work_mem = '1GB'`, `current_setting('work_mem')`],
    ['set statement_timeout', 'set statement_timeout = 1', `current_setting('statement_timeout')`],
    ['set read only', 'set default_transaction_read_only = on', `current_setting('default_transaction_read_only')`],
    ['a setting of its own', `select set_config('app.user', 'root', false)`, `current_setting('app.user', true)`],
  ])('%s is not seen by the next call', async (_what, leave, look) => {
    const [before] = await evil.rows(`select ${look} as seen`);
    for (let call = 0; call < CALLS; call += 1) {
      await evil.sql(leave);
      expect(await evil.rows(`select coalesce(${look}::text, '') as seen`)).toEqual([
        { seen: String(before.seen ?? '') },
      ]);
    }
  });

  test('a lock of the session is let go', async () => {
    const [{ name }] = await evil.rows('select current_database() as name');
    for (let call = 0; call < CALLS; call += 1) await evil.rows('select pg_advisory_lock(7)');
    const held = async () =>
      serverSql().query(
        `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = $1)`,
        [name],
      );
    await until(async () => (await held()).length === 0, 'the locks are gone');
  });

  test('the same after a transaction', async () => {
    await evil.session(
      `set timezone = 'Asia/Tokyo'`,
      'declare c cursor with hold for select 1',
      'prepare p as select 1',
    );
    for (let call = 0; call < CALLS; call += 1) {
      expect((await evil.rows('show timezone'))[0]).not.toMatchObject({ TimeZone: 'Asia/Tokyo' });
      expect(await evil.sql('fetch all from c')).toMatchObject({ sqlstate: '34000' });
    }
  });
});

describe('70: what is held', () => {
  test('a row lock: the own calls that wait for it end at their deadline, others notice nothing', async () => {
    const hold = evil.raw(`
      return streamspace.database.transaction(async (tx) => {
        await tx.query('select * from things where id = 1 for update');
        await new Promise(() => {});
      });`);
    await until(
      async () => (await evil.sql(`select * from things where id = 1 for update nowait`)).sqlstate === '55P03',
      'the row is locked',
    );
    const waits = await evil.raw(
      `return attempt(streamspace.database, 'select * from things where id = 1 for update')`,
    );
    expect([200, 504]).toContain(waits.status);
    expect(await good.rows('select word from things where id = 1 for update')).toEqual([{ word: 'one' }]);
    expect((await hold).status).toBe(504);
    await until(
      async () => (await evil.sql(`select 1 from things where id = 1 for update nowait`)).code === undefined,
      'the row is free again',
    );
  });

  test('an isolate that dies inside a transaction: nothing of it stays', async () => {
    const { status } = await evil.raw(`
      return streamspace.database.transaction(async (tx) => {
        await tx.query("insert into things values (3, 'three')");
        await tx.query('lock table things in access exclusive mode');
        for (;;);
      });`);
    expect(status).toBe(504);
    const count = async () => (await evil.sql('select count(*)::int as n from things')).rows[0]?.n;
    expect(await until(count, 'the table is free again')).toBe(2);
  });

  test('transactions left open, as many as it likes: they end, and leave others room', async () => {
    await evil.value(`
      globalThis.opened = 0;
      for (let at = 0; at < 200; at += 1) {
        streamspace.database
          .transaction(async (tx) => { await tx.query('select 1'); opened += 1; await new Promise(() => {}); })
          .catch(() => {});
      }
      return 0`);
    await until(async () => (await evil.value('return opened')) > 0, 'some are open');
    const begun = performance.now();
    for (let call = 0; call < 20; call += 1) expect(await good.rows('select 1 as one')).toEqual([{ one: 1 }]);
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(await core.api('GET', '/readyz')).toMatchObject({ status: 200 });
    await evil.renew();
    expect(await evil.rows('select 1 as one')).toEqual([{ one: 1 }]);
  });
});
