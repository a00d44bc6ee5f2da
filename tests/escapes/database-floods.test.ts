import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { residentBytes } from '../../src/host/resident-memory.ts';
import { install } from '../kit/plugin.ts';
import { descendantsOf, type Process } from '../kit/processes.ts';
import { installSqlPlugin, type SqlPlugin } from '../kit/sql-plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';
import { SteadyLoad } from './attacks/steady-load.ts';

// ADVERSARY 62, 70: time, memory, results and disk. Each ends by a limit, and meanwhile a neighbour's statements and the
// core's own API are answered. On the embedded server, where the core can look at the memory of its processes.

setDefaultTimeout(60_000);

const MIB = 1024 * 1024;
/** Milliseconds that the neighbour or the core may be out in an attack, on a machine of two cores that does more besides. */
const MOST_OUT_MS = 3_000;
/** Bytes by which the core may be larger in an attack: what it had to read before it refused the rest. */
const MOST_GROWTH_BYTES = 150 * MIB;
/** Bytes that one process of the server may have at a time: its bound of 256 MiB, and what comes between two looks. */
const MOST_BACKEND_BYTES = 1_024 * MIB;

let core: RunningCore;
let evil: SqlPlugin;
let load: SteadyLoad;

beforeAll(async () => {
  core = await startCore({ database: 'embedded' });
  evil = await installSqlPlugin(core, 'evil-flooder', { limits: { wallMsPerCall: 5_000, databaseBytes: 64 * MIB } });
  await install(core, {
    manifest: { name: 'good-neighbour', permissions: ['database'] },
    'migrations/1.sql': `create table things (word text); insert into things values ('mine');`,
    'index.js': `
      export default {
        onLoad({ api, database }) {
          api.get('/things', () => database.query('select word from things'), { auth: 'public' });
        },
      };`,
  });
  load = new SteadyLoad([
    { name: 'neighbour', url: `${core.url}/api/plugins/good-neighbour/things`, everyMs: 50 },
    // It asks the core's own database each time.
    { name: 'core', url: `${core.url}/readyz`, everyMs: 50 },
  ]);
  await load.settled(3, 10_000);
});
afterAll(async () => {
  load?.stop();
  await core?.stop();
});
beforeEach(async () => {
  await load.take();
});

/** Processes of the server that run something for a plugin. */
const working = (): Process[] =>
  descendantsOf(core.pid).filter(({ command }) => /^postgres: ss_\S+ ss_\S+ \[local\] (?!idle)/.test(command));

/** What must hold after each attack: nothing of it goes on, nobody else was out, nothing has grown. */
async function expectOver(coreBytes: number): Promise<void> {
  const attackers = async (): Promise<boolean> => (await evil.sql('select 1 as one')).rows.length === 1;
  await until(attackers, 'the attacker itself goes on');
  await load.settled(2, 10_000);
  const reports = await load.take();
  expect(reports.flatMap(({ bad }) => bad)).toEqual([]);
  expect(reports.filter(({ outageMs }) => outageMs > MOST_OUT_MS).map(({ target }) => target)).toEqual([]);
  expect(residentBytes(core.pid) - coreBytes).toBeLessThan(MOST_GROWTH_BYTES);
}

describe('62: time, with the server’s own limit switched off', () => {
  test.each([
    ['a sleep', `select pg_sleep(600)`],
    ['a loop', `do $$ begin loop end loop; end $$`],
    [
      'a loop that catches its cancellation',
      `do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end $$`,
    ],
    ['a join without end', 'select count(*) from generate_series(1, 100000000) a, generate_series(1, 100000000) b'],
    [
      'a recursion without end',
      'with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t',
    ],
    [
      'a function that calls itself',
      `do $$ declare n int; begin loop select count(*) into n from pg_class; end loop; end $$`,
    ],
  ])('%s', async (_what, statement) => {
    const bytes = residentBytes(core.pid);
    const answers = await evil.session('set statement_timeout = 0', statement);
    expect(answers[1]?.code).toBe('transaction_over');
    await until(() => working().length === 0, 'it is over on the server', 3_000);
    await expectOver(bytes);
  });

  test('outside of a transaction it ends with the call', async () => {
    const bytes = residentBytes(core.pid);
    const answer = await evil.raw(`return attempt(streamspace.database, 'do $$ begin loop end loop; end $$')`);
    expect(answer).toMatchObject({ status: 504, body: { code: 'plugin_deadline' } });
    await until(() => working().length === 0, 'it is over on the server', 3_000);
    await expectOver(bytes);
  });
});

describe('62: memory, whatever work_mem says', () => {
  test.each([
    [
      'a sort',
      `select count(*) from (select repeat(md5(g::text), 30) t from generate_series(1, 9000000) g order by 1) s`,
    ],
    ['a hash', `select count(*) from (select g, count(*) from generate_series(1, 90000000) g group by g) s`],
    ['an array', `select array_length(array_agg(repeat('x', 1000) || g), 1) from generate_series(1, 9000000) g`],
    ['a text that doubles', `do $$ declare t text := 'x'; begin loop t := t || t; end loop; end $$`],
    ['a document', `select length(jsonb_agg(repeat('x', 1000) || g)::text) from generate_series(1, 9000000) g`],
  ])('%s', async (_what, statement) => {
    const bytes = residentBytes(core.pid);
    let most = 0;
    const watching = setInterval(() => {
      for (const { pid } of working()) most = Math.max(most, residentBytes(pid));
    }, 50);
    const answers = await evil.session(`set work_mem = '10GB'`, `set hash_mem_multiplier = 1000`, statement);
    clearInterval(watching);
    expect(answers[2]?.code).toMatch(/^(database_error|transaction_over)$/);
    expect(most).toBeLessThan(MOST_BACKEND_BYTES);
    await until(() => working().length === 0, 'it is over on the server', 3_000);
    await expectOver(bytes);
  });
});

/** What the guard of the wire says, or Postgres itself of its memory, whichever is first; else the time. */
const TOO_LARGE = /^(database_result_too_large|database_error|transaction_over)$/;

describe('70: results and messages', () => {
  test.each([
    ['1 GB in one field', `select repeat('x', 1000000000) as x`, TOO_LARGE],
    ['1 GB in many rows', `select repeat('x', 1000) as x from generate_series(1, 1000000)`, TOO_LARGE],
    ['rows of nothing', `select from generate_series(1, 100000000)`, TOO_LARGE],
    [
      '1,664 columns in many rows',
      `select ${Array(1_664).fill('g').join()} from generate_series(1, 100000) g`,
      TOO_LARGE,
    ],
    ['an error of 100 MB', `do $$ begin raise exception '%', repeat('x', 100000000); end $$`, TOO_LARGE],
    ['a detail of 100 MB', `do $$ begin raise exception 'x' using detail = repeat('x', 100000000); end $$`, TOO_LARGE],
    ['notices of 100 MB', `do $$ begin raise notice '%', repeat('x', 100000000); end $$`, TOO_LARGE],
    [
      'notices without end',
      `do $$ begin
         perform set_config('client_min_messages', 'debug1', false);
         loop raise notice '%', repeat('x', 1000); end loop;
       end $$`,
      /^database_result_too_large$/,
    ],
    ['a column name that is an error', `select 1 as "${'x'.repeat(100_000)}"`, /^undefined$/],
    ['more columns than there may be', `select ${Array(1_665).fill('1').join()}`, /^database_error$/],
    ['a setting of 100 MB', `select set_config('plugin.text', repeat('x', 100000000), false)`, TOO_LARGE],
  ])('%s', async (_what, statement, code) => {
    const bytes = residentBytes(core.pid);
    const [answer] = await evil.session(statement);
    expect(String(answer?.code)).toMatch(code);
    expect((answer?.message ?? '').length).toBeLessThanOrEqual(2_001);
    await until(() => working().length === 0, 'it is over on the server', 3_000);
    await expectOver(bytes);
  });

  test('JSON that is nested deeper than the channel takes', async () => {
    const bytes = residentBytes(core.pid);
    for (const depth of [100, 2_000, 6_000]) {
      const { code, rows } = await evil.sql(`select (repeat('[', ${depth}) || repeat(']', ${depth}))::json as deep`);
      expect(
        code === undefined ? rows.length : /^(database_error|payload_too_large|invalid_input)$/.test(code),
      ).toBeTruthy();
    }
    await expectOver(bytes);
  });

  test('streams that nobody reads: they end with their isolate, and others have theirs', async () => {
    const bytes = residentBytes(core.pid);
    await evil.value(`
      globalThis.open = [];
      for (let at = 0; at < 50; at += 1) {
        const rows = streamspace.database.stream("select repeat('x', 100000) as x from generate_series(1, 100000)");
        open.push(rows.next().then(() => rows, () => null));
      }
      return Promise.race([Promise.all(open), new Promise((resolve) => setTimeout(resolve, 1_000))]).then(() => 0)`);
    expect((await evil.raw('for (;;);')).status).toBe(504);
    await until(
      async () => (await evil.session('select 1'))[0]?.code === undefined,
      'a transaction finds a connection',
    );
    await expectOver(bytes);
  });
});

describe('70: disk', () => {
  test('rows up to the quota, and no further; what is deleted makes room', async () => {
    const bytes = residentBytes(core.pid);
    await evil.rows('create table heap (x text)');
    const filled = until(
      async () => {
        const { code } = await evil.sql(
          `insert into heap select repeat(md5(g::text), 30) from generate_series(1, 10000) g`,
        );
        return code === 'quota_exceeded';
      },
      'the quota is reached',
      30_000,
    );
    await filled;
    expect(await evil.sql('create table more as select 1 as a')).toMatchObject({ code: 'quota_exceeded' });
    await evil.rows('truncate heap');
    await until(
      async () => (await evil.sql(`insert into heap values ('x')`)).code === undefined,
      'there is room again',
    );
    await evil.rows('drop table heap');
    await expectOver(bytes);
  });

  test.each([
    [
      'files of a sort',
      `select count(*) from (select repeat(md5(g::text), 100) t from generate_series(1, 9000000) g order by 1 desc) s`,
    ],
    [
      'files of a recursion',
      `with recursive t(n) as (select repeat('x', 1000) union all select n from t) select count(*) from t`,
    ],
  ])('%s', async (_what, statement) => {
    const bytes = residentBytes(core.pid);
    const answers = await evil.session(`set work_mem = '64kB'`, statement);
    expect(answers[1]?.code).toMatch(/^(database_error|transaction_over)$/);
    await until(() => working().length === 0, 'it is over on the server', 3_000);
    await expectOver(bytes);
  });
});

describe('66, 70: what all share on the server', () => {
  test.each([
    ['locks', `do $$ begin for i in 1..1000000 loop perform pg_advisory_xact_lock(i); end loop; end $$`],
    [
      'tables in one transaction',
      `do $$ begin for i in 1..100000 loop execute 'create table t' || i || ' (a int)'; end loop; end $$`,
    ],
    [
      'notifications',
      `do $$ begin for i in 1..1000000 loop perform pg_notify('c', i || repeat('x', 7000)); end loop; end $$`,
    ],
  ])('%s', async (_what, statement) => {
    const bytes = residentBytes(core.pid);
    const answers = await evil.session(statement);
    expect(answers[0]?.code).toMatch(/^(database_error|transaction_over)$/);
    await until(() => working().length === 0, 'it is over on the server', 5_000);
    await expectOver(bytes);
  });

  test('connections: 300 calls at once', async () => {
    const bytes = residentBytes(core.pid);
    await evil.value(`
      const calls = Array.from({ length: 300 }, () => attempt(streamspace.database, 'select pg_sleep(0.02)'));
      const answers = await Promise.all(calls);
      return answers.filter(({ code }) => code !== undefined).length`);
    expect(working().length).toBeLessThanOrEqual(16);
    await expectOver(bytes);
  });
});
