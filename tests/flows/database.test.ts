import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// `streamspace.database` from a plugin to PostgreSQL and back: isolate, host, gate, room, the plugin's own database.

setDefaultTimeout(60_000);

let core: RunningCore;
let sql: Evaluator;

beforeAll(async () => {
  core = await startCore();
  sql = await installEvaluator(core, 'sql', { permissions: ['database'], limits: { memoryMb: 24 } });
  await sql.value(`await ctx.database.migrate('create table notes (id int primary key, text text)')`);
});
afterAll(async () => {
  await core?.stop();
});

describe('an example: a plugin with migrations', () => {
  const call = (method: string, path: string, body?: object) =>
    core.api(method, `/api/plugins/guest-book${path}`, { token: null, ...(body === undefined ? {} : { body }) });
  const post = (path: string, body: object) => call('POST', path, body);

  beforeAll(async () => {
    await install(core, 'guest-book');
  });

  test('its tables are there when it loads, and stay over a reload', async () => {
    const [first] = (await call('GET', '/notes')).body;
    expect(first).toEqual({
      id: 1,
      author: 'the book',
      text: 'I am open; write something',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+\.\d+Z$/),
      tags: ['first'],
    });
    expect(
      (await post('/notes', { author: 'Ada', text: "'); drop table notes; --", tags: ['a,b', '"'] })).body,
    ).toMatchObject({
      id: 2,
      tags: ['a,b', '"'],
    });
    expect((await core.api('POST', '/api/plugins/guest-book/reload')).status).toBe(200);
    expect((await call('GET', '/notes/by/Ada')).body).toMatchObject([{ text: "'); drop table notes; --" }]);
  });

  test('constraints become answers, and transactions are all or nothing', async () => {
    expect((await post('/notes', { author: 'Ada', text: '' })).status).toBe(422);
    await post('/notes', { author: 'Cy', text: 'hello' });
    expect((await post('/notes/give', { from: 'Cy', to: 'Di' })).body).toEqual({ given: 1 });
    expect((await post('/notes/give', { from: 'Cy', to: 'Di' })).status).toBe(500);
    expect((await call('GET', '/notes/by/Cy')).status).toBe(404);
  });

  test('an export streams', async () => {
    const answer = await fetch(`${core.url}/api/plugins/guest-book/export`);
    const lines = (await answer.text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).author)).toEqual(['the book', 'Ada', 'Di']);
  });
});

describe('values', () => {
  test('cross without loss', async () => {
    const row = await sql.value(`
      const given = [2n ** 62n, '12345678901234567890.10', '2026-11-21T10:00:00.123456Z', { a: ['ü', null] }, new Uint8Array([0, 255, 92]),
        [['a"', null], ['\\\\', 'NULL']], NaN, true, null, new Date('2026-11-21T10:00:00.5Z')];
      const row = await ctx.database.queryRow(
        'select $1::int8 a, $2::numeric b, $3::timestamptz c, $4::jsonb d, $5::bytea e, $6::text[] f, $7::float8 g, $8::bool h, $9::int i, $10::timestamptz j, count(*) k, 1 as "__proto__"', given);
      return { ...row, own: Object.keys(row).length, a: String(row.a) + typeof row.a, e: row.e instanceof Uint8Array && [...row.e], g: String(row.g) };`);
    expect(row).toEqual({
      ['__proto__']: 1,
      a: `${2n ** 62n}bigint`,
      b: '12345678901234567890.10',
      c: '2026-11-21T10:00:00.123456Z',
      d: { a: ['ü', null] },
      e: [0, 255, 92],
      f: [
        ['a"', null],
        ['\\', 'NULL'],
      ],
      g: 'NaN',
      h: true,
      i: null,
      j: '2026-11-21T10:00:00.5Z',
      k: 1,
      own: 12,
    });
  });

  test('a large result is streamed, in the memory that a plugin has', async () => {
    const value = await sql.value(`
      let rows = 0; let chars = 0;
      for await (const { text } of ctx.database.stream("select repeat('x', 2000) as text from generate_series(1, $1::int)", [20000])) {
        rows += 1; chars += text.length;
      }
      return { rows, chars };`);
    expect(value).toEqual({ rows: 20_000, chars: 40_000_000 });
  });

  test('and refused in one answer, by name', async () => {
    const { error } = await sql.run(
      `return ctx.database.query("select repeat('x', 1000) from generate_series(1, 5000)")`,
    );
    expect(error).toMatchObject({ code: 'database_result_too_large' });
    expect(error?.message).toContain('database.stream');
  });

  test('nothing that a plugin patches changes them', async () => {
    const { value, error } = await sql.run(`
      const { stringify } = JSON;
      const { database } = ctx;
      const patched = () => { throw new Error('patched') };
      const own = { get: patched, set: patched, configurable: true };
      JSON.parse = JSON.stringify = Array.isArray = patched;
      for (const name of ['slice', 'indexOf', 'charCodeAt', 'split', 'replace']) String.prototype[name] = patched;
      Date.prototype.toISOString = Date.prototype.toJSON = patched;
      for (const key of ['id', 'text', 'element', 'list']) Object.defineProperty(Object.prototype, key, own);
      let sum = 0;
      const stream = database.stream('select n as id from generate_series(1, 4) n');
      for (let next = await stream.next(); !next.done; next = await stream.next()) sum += next.value.id;
      // The streams of the platform do not bear these.
      for (const name of ['push', 'map', 'join', 'concat', Symbol.iterator]) Array.prototype[name] = patched;
      globalThis.Uint8Array = globalThis.Date = globalThis.BigInt = globalThis.Promise = null;
      Object.defineProperty(Array.prototype, 0, own);
      Object.defineProperty(Array.prototype, 1, own);
      const row = await database.queryRow('select 1 as id, $1::text as text, $2::int[] as list, $3::bytea as bytes', ['a', [1, null, 3], null]);
      const rows = await database.query('select n as id from generate_series(1, 3) n');
      const lengths = await database.transaction((tx) => tx.exec('select 1 as id'));
      return [stringify(row), rows.length + rows[2].id, sum, lengths.count];`);
    await sql.renew();
    expect(error).toBeUndefined();
    expect(value).toEqual(['{"id":1,"text":"a","list":[1,null,3],"bytes":null}', 6, 10, 1]);
  });
});

describe('transactions', () => {
  test('more of them than connections end, all of them', async () => {
    const value = await sql.value(`
      await ctx.database.exec('create table if not exists counters (n int)');
      await ctx.database.exec('insert into counters values (0)');
      const one = () => ctx.database.transaction(async (tx) => {
        await tx.exec('update counters set n = n + 1');
        return (await tx.queryRow('select n from counters')).n;
      });
      const seen = await Promise.all(Array.from({ length: 40 }, one));
      return { distinct: new Set(seen).size, ...(await ctx.database.queryRow('select n from counters')) };`);
    expect(value).toEqual({ distinct: 40, n: 40 });
  });

  test('a plain statement gets through while transactions wait for their turn', async () => {
    const value = await sql.value(`
      const { database } = ctx;
      const one = (_, n) => database.transaction(async (tx) => {
        await tx.query('select 1');
        return (await database.queryRow('select $1::int as n', [n])).n;
      });
      return await Promise.all(Array.from({ length: 24 }, one));`);
    expect(value).toEqual(Array.from({ length: 24 }, (_, n) => n));
  });

  test('it is rolled back when its time is up, and its next use says so', async () => {
    const { value } = await sql.run(`
      return await ctx.database.transaction(async (tx) => {
        await tx.exec("insert into notes values (100, 'late')");
        await new Promise((done) => setTimeout(done, 600));
        await tx.query('select 1');
      }, { timeoutMs: 200 }).catch(({ code, name }) => ({ code, name }));`);
    expect(value).toEqual({ code: 'transaction_over', name: 'StreamSpaceError' });
    expect(await sql.value('return ctx.database.query("select * from notes where id = 100")')).toEqual([]);
  });

  test('a lost one runs again', async () => {
    const value = await sql.value(`
      const { database } = ctx;
      await database.exec('create table if not exists doctors (id int, on_call bool)');
      await database.exec('insert into doctors values (1, true), (2, true)');
      let runs = 0;
      const leave = (id) => database.transaction(async (tx) => {
        runs += 1;
        const { count } = await tx.queryRow('select count(*) from doctors where on_call');
        await new Promise((done) => setTimeout(done, runs <= 2 ? 100 : 0));
        if (count > 1) await tx.exec('update doctors set on_call = false where id = $1', [id]);
        return count > 1;
      }, { isolation: 'serializable', retries: 5 });
      const left = await Promise.all([leave(1), leave(2)]);
      return { left: left.filter(Boolean).length, again: runs > 2 };`);
    expect(value).toEqual({ left: 1, again: true });
  });

  test('a loop over rows may use the transaction that it is in', async () => {
    const value = await sql.value(`
      return await ctx.database.transaction(async (tx) => {
        let sum = 0;
        for await (const { n } of tx.stream('select n from generate_series(1, 100) n')) {
          sum += (await tx.queryRow('select $1::int * 2 as double', [n])).double;
        }
        return sum;
      });`);
    expect(value).toBe(10_100);
  });

  test('AsyncLocalStorage goes along into the callback', async () => {
    const source = `
      import { AsyncLocalStorage } from 'node:async_hooks';
      import { definePlugin } from '@streamspace/sdk';
      const storage = new AsyncLocalStorage();
      export default definePlugin({
        onLoad({ api, database }) {
          api.get('/context', () => storage.run('mine', () => database.transaction(async (tx) => {
            const before = storage.getStore();
            await tx.query('select 1');
            return [before, storage.getStore(), await tx.transaction(() => storage.getStore())];
          })), { auth: 'public' });
        },
      });`;
    await install(core, { manifest: { name: 'contextual', permissions: ['database'] }, 'index.ts': source });
    const { body } = await core.api('GET', '/api/plugins/contextual/context', { token: null });
    expect(body).toEqual(['mine', 'mine', 'mine']);
  });
});

describe('errors', () => {
  test('what Postgres refuses is an error of the place that called, with nothing of the core', async () => {
    const { value } = await sql.run(`
      try { await ctx.database.query('select nothing from notes'); } catch (error) {
        const { name, code, sqlstate, position, stack, message } = error;
        return { name, code, sqlstate, position, stack, message, own: error instanceof ctx.DatabaseError && error instanceof ctx.StreamSpaceError };
      }`);
    expect(value).toMatchObject({
      name: 'DatabaseError',
      code: 'database_error',
      sqlstate: '42703',
      position: 8,
      message: 'column "nothing" does not exist',
      own: true,
    });
    expect(value.stack).toContain('plugin:sql');
    expect(value.stack).not.toMatch(/\/work\/|node_modules|\/src\//);
  });

  test('in the middle of a stream, too', async () => {
    const { value } = await sql.run(`
      let rows = 0;
      try { for await (const row of ctx.database.stream('select 1 / (5000 - n) from generate_series(1, 10000) n')) rows += 1; }
      catch ({ name, sqlstate }) { return { name, sqlstate, some: rows < 5000 }; }`);
    expect(value).toEqual({ name: 'DatabaseError', sqlstate: '22012', some: true });
  });

  test('without the permission every call is refused by name', async () => {
    const none = await installEvaluator(core, 'no-sql');
    for (const call of [
      `query('select 1')`,
      `exec('select 1')`,
      `stream('select 1').next()`,
      'transaction(() => 1)',
      `migrate('select 1')`,
    ]) {
      const { error } = await none.run(`return ctx.database.${call}`);
      expect(error).toMatchObject({ name: 'PermissionError', code: 'permission_denied' });
      expect(error?.message).toContain('"database"');
    }
  });
});

describe('migrate', () => {
  test('runs a text once, and says where it failed', async () => {
    const script = `'create table once (n int); insert into once values (1);'`;
    expect(
      await sql.value(`return [await ctx.database.migrate(${script}), await ctx.database.migrate(${script})]`),
    ).toEqual([true, false]);
    expect(await sql.value('return ctx.database.query("select * from once")')).toEqual([{ n: 1 }]);
    const { error } = await sql.run(`return ctx.database.migrate('create table half (n int);\\nselect nothing')`);
    expect(error).toMatchObject({ code: 'migration_failed' });
    expect(error?.message).toContain('database.migrate:2');
    expect(await sql.value(`return ctx.database.queryRow("select to_regclass('half') as half")`)).toEqual({
      half: null,
    });
  });
});
