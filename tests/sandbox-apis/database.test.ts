import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { DatabaseTransaction } from '../../sandbox-apis/database/guest.ts';
import { DATABASE_LIMITS } from '../../sandbox-apis/database/limits.ts';
import type { Rows } from '../../sandbox-apis/database/service.ts';
import { databaseRoom } from '../kit/database-room.ts';
import { noDatabases } from '../kit/no-databases.ts';
import { plainDatabases } from '../kit/plain-databases.ts';
import { testDatabase } from '../kit/postgres.ts';

const home = await testDatabase();
if ('url' in home.address) throw new Error('the tests have a socket');
const databases = await plainDatabases(home.address);
const { database, called } = databaseRoom(databases);
afterAll(async () => {
  await databases.close();
  await home.drop();
});
beforeEach(async () => {
  await database.exec('drop table if exists notes');
  await database.exec('create table notes (id int primary key, text text not null)');
});

const texts = async (): Promise<unknown[]> =>
  (await database.query<{ text: string }>('select text from notes order by id')).map(({ text }) => text);
const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'nothing',
    (error: unknown) => error,
  );

describe('queries', () => {
  test('rows, the first row, what was done', async () => {
    expect(await database.exec("insert into notes values (1, 'a'), (2, 'b') returning id")).toEqual({
      count: 2,
      rows: [{ id: 1 }, { id: 2 }],
      command: 'INSERT',
    });
    expect(await database.query('select * from notes order by id')).toEqual([
      { id: 1, text: 'a' },
      { id: 2, text: 'b' },
    ]);
    expect(await database.queryRow('select * from notes where id = $1', [2])).toEqual({ id: 2, text: 'b' });
    expect(await database.queryRow('select id from notes order by id')).toEqual({ id: 1 });
    expect(await database.queryRow('select * from notes where id = $1', [3])).toBeNull();
    expect(await database.exec('delete from notes')).toMatchObject({ count: 2, rows: [] });
  });

  test('columns of any name and number', async () => {
    expect(await database.query('select from generate_series(1, 2)')).toEqual([{}, {}]);
    expect(await database.queryRow('select 1 as a, 2 as a')).toEqual({ a: 2 });
    const odd = await database.queryRow(
      'select 1 as "__proto__", 2 as "constructor", 3 as "then", 4 as "0", 5 as "toString"',
    );
    expect(Object.getPrototypeOf(odd)).toBe(Object.prototype);
    expect(Object.entries(odd ?? {})).toEqual([
      ['0', 4],
      ['__proto__', 1],
      ['constructor', 2],
      ['then', 3],
      ['toString', 5],
    ]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('what Postgres refuses is a DatabaseError that says why', async () => {
    await database.exec("insert into notes values (1, 'a')");
    expect(await caught(database.exec("insert into notes values (1, 'b')"))).toMatchObject({
      name: 'DatabaseError',
      code: 'database_error',
      sqlstate: '23505',
      constraint: 'notes_pkey',
      detail: 'Key (id)=(1) already exists.',
    });
    expect(await caught(database.query('select 1; select 2'))).toMatchObject({ sqlstate: '42601' });
    expect(await caught(database.query('select $1::int', ['x']))).toMatchObject({ sqlstate: '22P02' });
  });

  test('what is no statement is refused before anything is sent', async () => {
    const before = called.length;
    for (const bad of [5, null, { text: 'select 1', values: [] }, ['select 1']]) {
      expect(await caught(database.query(bad as never))).toMatchObject({ code: 'invalid_input' });
    }
    expect(await caught(database.query('select 1', 'x' as never))).toMatchObject({ code: 'invalid_input' });
    expect(called).toHaveLength(before);
  });
});

describe('templates', () => {
  test('values are parameters, whatever they hold', async () => {
    const evil = "'); drop table notes; --";
    await database.exec(database.sql`insert into notes values (${1}, ${evil})`);
    expect(await database.queryRow(database.sql`select text from notes where id = ${1}`)).toEqual({ text: evil });
    expect(databases.ran.at(-1)).toEqual({ sql: 'select text from notes where id = $1', params: ['1'] });
  });

  test('a statement is no value, and no text of JSON is a statement', async () => {
    const { sql } = database;
    expect(() => sql`select ${sql`now()`}`).toThrow('cannot be a part');
    const forged = JSON.parse(JSON.stringify({ text: 'select 1', values: [] })) as never;
    expect(await caught(database.query(forged))).toMatchObject({ code: 'invalid_input' });
    expect(await caught(database.query(sql`select 1`, []))).toMatchObject({ code: 'invalid_input' });
    expect(sql`select ${1}`).toMatchObject({ text: 'select $1', values: [1] });
  });
});

describe('streams', () => {
  test('rows come one by one, cut where it may be', async () => {
    const rows = await Array.fromAsync(
      database.stream<{ n: number; text: string }>(
        `select n, repeat('ü🎉"\n', n % 5) as text from generate_series(1, $1::int) n`,
        [50],
      ),
    );
    expect(rows).toHaveLength(50);
    expect(rows[3]).toEqual({ n: 4, text: 'ü🎉"\n'.repeat(4) });
    expect(await Array.fromAsync(database.stream('select 1 where false'))).toEqual([]);
    expect(await Array.fromAsync(database.stream('select from generate_series(1, 3)'))).toEqual([{}, {}, {}]);
  });

  test('nothing runs before the first row is asked for, and leaving the loop ends the statement', async () => {
    const before = called.length;
    const stream = database.stream('select * from generate_series(1, 1000) n');
    expect(called).toHaveLength(before);
    const cancelled = databases.cancelled;
    for await (const row of stream) {
      expect(row).toEqual({ n: 1 });
      break;
    }
    expect(databases.cancelled).toBe(cancelled + 1);
  });

  test('an error is thrown where the loop is', async () => {
    expect(await caught(Array.fromAsync(database.stream('select nothing')))).toMatchObject({ sqlstate: '42703' });
  });
});

describe('transactions', () => {
  test('what was done is kept when the callback resolves, and its value is answered', async () => {
    const value = await database.transaction(async (tx) => {
      await tx.exec("insert into notes values (1, 'a')");
      expect(await texts()).toEqual([]);
      const rows = await Array.fromAsync(tx.stream<{ text: string }>('select text from notes'));
      return { rows, row: await tx.queryRow(database.sql`select id from notes where text = ${'a'}`) };
    });
    expect(value).toEqual({ rows: [{ text: 'a' }], row: { id: 1 } });
    expect(await texts()).toEqual(['a']);
  });

  test('what was done is undone when it throws, and the error is its own', async () => {
    const mine = new Error('mine');
    const attempt = database.transaction(async (tx) => {
      await tx.exec("insert into notes values (1, 'a')");
      throw mine;
    });
    expect(await caught(attempt)).toBe(mine);
    expect(await texts()).toEqual([]);
  });

  test('isolation and read-only are passed on', async () => {
    const shown = await database.transaction(
      (tx) =>
        tx.queryRow(
          `select current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as ro`,
        ),
      { isolation: 'repeatable read', readOnly: true },
    );
    expect(shown).toEqual({ isolation: 'repeatable read', ro: 'on' });
  });

  test('after its end it is over', async () => {
    let kept: DatabaseTransaction | undefined;
    await database.transaction((tx) => {
      kept = tx;
    });
    const before = called.length;
    for (const use of ['query', 'queryRow', 'exec'] as const) {
      expect(await caught(kept?.[use]('select 1') as Promise<unknown>)).toMatchObject({ code: 'transaction_over' });
    }
    expect(await caught(kept?.transaction(() => 1) as Promise<unknown>)).toMatchObject({ code: 'transaction_over' });
    expect(await caught(Array.fromAsync(kept?.stream('select 1') as AsyncIterable<unknown>))).toMatchObject({
      code: 'transaction_over',
    });
    expect(called).toHaveLength(before);
  });

  test('a failed statement that nobody minds does not become a commit', async () => {
    const attempt = database.transaction(async (tx) => {
      await tx.exec("insert into notes values (1, 'a')");
      await caught(tx.exec('select nothing'));
    });
    expect(await caught(attempt)).toMatchObject({ code: 'database_error' });
    expect(await texts()).toEqual([]);
  });

  test('it runs again when it lost, as often as was said', async () => {
    const lost = (sqlstate: string): CodedError => new CodedError('database_error', 'lost', { sqlstate });
    let fails: CodedError[] = [];
    const room = databaseRoom({
      ...databases,
      commit: async (caller, transaction) => {
        const failure = fails.shift();
        if (failure === undefined) return databases.commit(caller, transaction);
        await databases.rollback(caller, transaction);
        throw failure;
      },
    });
    let runs = 0;
    const run = (retries: number): Promise<number> =>
      room.database.transaction(
        async (tx) => {
          runs += 1;
          await tx.exec('insert into notes values ($1, $2)', [runs, 'a']);
          return runs;
        },
        { retries },
      );
    fails = [lost('40001'), lost('40P01')];
    expect(await run(2)).toBe(3);
    expect(await texts()).toEqual(['a']);
    fails = [lost('40001'), lost('40001')];
    expect(await caught(run(1))).toMatchObject({ sqlstate: '40001' });
    fails = [lost('23505')];
    expect(await caught(run(5))).toMatchObject({ sqlstate: '23505' });
    expect(runs).toBe(6);
    expect(await caught(run(11))).toMatchObject({ code: 'invalid_input' });
  });

  test('what is no callback is refused before anything begins', async () => {
    const before = called.length;
    expect(await caught(database.transaction('begin' as never))).toMatchObject({ code: 'invalid_input' });
    expect(called).toHaveLength(before);
  });
});

describe('nested transactions', () => {
  test('a part that throws is undone by itself', async () => {
    await database.transaction(async (tx) => {
      await tx.exec("insert into notes values (1, 'outer')");
      expect(
        await caught(
          tx.transaction(async (part) => {
            await part.exec("insert into notes values (2, 'lost')");
            await part.exec("insert into notes values (1, 'again')");
          }),
        ),
      ).toMatchObject({ sqlstate: '23505' });
      const value = await tx.transaction(async (part) => {
        await part.transaction((inner) => inner.exec("insert into notes values (3, 'inner')"));
        return 'value';
      });
      expect(value).toBe('value');
    });
    expect(await texts()).toEqual(['outer', 'inner']);
  });

  test('while a part is open the whole has to wait', async () => {
    await database.transaction(async (tx) => {
      const both = await Promise.all([
        tx.transaction((part) => part.exec("insert into notes values (1, 'a')")),
        caught(tx.transaction((part) => part.exec("insert into notes values (2, 'b')"))),
        caught(tx.exec("insert into notes values (3, 'c')")),
      ]);
      expect(both.slice(1)).toMatchObject([{ code: 'invalid_input' }, { code: 'invalid_input' }]);
      await tx.exec("insert into notes values (4, 'd')");
    });
    expect(await texts()).toEqual(['a', 'd']);
  });

  test('a part is over with its callback', async () => {
    await database.transaction(async (tx) => {
      let kept: DatabaseTransaction | undefined;
      await tx.transaction((part) => {
        kept = part;
      });
      expect(await caught(kept?.query('select 1') as Promise<unknown>)).toMatchObject({ code: 'transaction_over' });
    });
  });
});

describe('the broker', () => {
  const answering = (rows: Partial<Rows>) =>
    databaseRoom({
      ...noDatabases(),
      run: async () => ({ columns: [{ name: 'a', type: 25 }], rows: [], count: 0, command: 'SELECT', ...rows }),
    }).call<Rows>('database.query', { sql: 'select 1', params: [] });

  test('a result is answered up to the bytes of one answer, counted as JSON', async () => {
    const fits = DATABASE_LIMITS.resultBytes - 200;
    expect((await answering({ rows: [['x'.repeat(fits)]] })).rows[0]?.[0]).toHaveLength(fits);
    for (const rows of [
      [['x'.repeat(DATABASE_LIMITS.resultBytes)]],
      [['\u0001'.repeat(fits / 5)]],
      [['ü'.repeat(fits / 2 + 200)]],
    ]) {
      expect(await caught(answering({ rows }))).toMatchObject({
        code: 'database_result_too_large',
        extra: { limit: DATABASE_LIMITS.resultBytes },
      });
    }
  });

  test('a transaction has a time, also when none is asked for', async () => {
    const asked: unknown[] = [];
    const room = databaseRoom({
      ...noDatabases(),
      begin: async (_caller, options) => {
        asked.push(options);
        return 7;
      },
    });
    expect(await room.call<unknown>('database.begin', {})).toEqual({ transaction: 7 });
    await room.call('database.begin', { isolation: 'serializable', readOnly: true, timeoutMs: 120_000 });
    expect(asked).toEqual([
      { isolation: 'read committed', readOnly: false, timeoutMs: 15_000 },
      { isolation: 'serializable', readOnly: true, timeoutMs: 120_000 },
    ]);
    expect(await caught(room.call('database.begin', { timeoutMs: 120_001 }))).toMatchObject({ code: 'invalid_input' });
  });

  test('a server that is away is said to be', async () => {
    const away = databaseRoom(noDatabases()).database;
    expect(await caught(away.query('select 1'))).toMatchObject({ code: 'database_unavailable' });
    expect(await caught(away.transaction(() => 1))).toMatchObject({ code: 'database_unavailable' });
    expect(await caught(away.migrate('select 1'))).toMatchObject({ code: 'database_unavailable' });
  });
});
