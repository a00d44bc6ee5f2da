import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { serverSql } from '../kit/postgres.ts';
import { installSqlPlugin, type SqlPlugin } from '../kit/sql-plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// ADVERSARY 63, 64, 66: two plugins with the same names of everything learn nothing of each other, nor of the core.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: SqlPlugin;
let good: SqlPlugin;

/** What may nowhere be read: names and values of the neighbour, of the core's tables, of the machine. */
const MARKS = ['good-neighbour', 'treasure_of_the_neighbour', 'pearls_and_gold', 'installed_plugins', 'plugin_storage'];

beforeAll(async () => {
  core = await startCore();
  evil = await installSqlPlugin(core, 'evil-reader');
  good = await installSqlPlugin(core, 'good-neighbour');
  await good.rows('create table treasure_of_the_neighbour (word text)');
  await good.rows(`insert into treasure_of_the_neighbour values ('pearls_and_gold')`);
  for (const plugin of [evil, good]) await plugin.rows('create table things (id int primary key, word text)');
  await good.rows(`insert into things values (1, 'pearls_and_gold')`);
  await evil.rows(`insert into things values (1, 'dust')`);
});
afterAll(async () => {
  await core?.stop();
});

describe('63: the catalogs', () => {
  test('nothing that can be read says anything of others', async () => {
    const relations = await evil.rows(
      `select c.oid::regclass::text as name from pg_class c
       where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and c.relkind in ('r', 'v')
       order by 1`,
    );
    expect(relations.length).toBeGreaterThan(150);
    const found: string[] = [];
    // While the neighbour and the core work.
    const work = good.rows(`select pg_sleep(1), 'pearls_and_gold' from treasure_of_the_neighbour`);
    for (const { name } of relations) {
      const { rows } = await evil.sql(
        `select left(t::text, 10000) as text from ${name} t
         where t::text ~ any ($1::text[]) and t::text !~ 'left\\(t::text' limit 5`,
        MARKS,
      );
      for (const { text } of rows) found.push(`${name}: ${text}`);
    }
    await work;
    expect(found).toEqual([]);
  });

  test.each([
    'pg_stat_activity',
    'pg_stat_get_activity(null)',
    'pg_database',
    'pg_roles',
    'pg_user',
    'pg_auth_members',
    'pg_locks',
    'pg_lock_status()',
    'pg_stat_database',
    'pg_db_role_setting',
    'pg_shdepend',
    'pg_prepared_xacts',
    'pg_stat_get_backend_idset()',
  ])('of other sessions, databases and roles nothing: %s', async (view) => {
    expect(await evil.sql(`select count(*)::int as n from ${view}`)).toMatchObject({ sqlstate: '42501' });
  });

  test('names of databases and roles tell nothing', async () => {
    const { rows } = await evil.sql(
      `select i, pg_get_userbyid(i::oid) as name from generate_series(10000, 40000) i
       where pg_get_userbyid(i::oid) !~ '^unknown'`,
    );
    for (const { name } of rows) expect(name).toMatch(/^ss_[a-z0-9]+_[a-z0-9]+$/);
  });
});

test('sessions of others cannot be ended, whatever number is tried', async () => {
  // Those of the neighbour, of cores, and this test's own.
  const sessions = () =>
    serverSql().query(
      `select pid from pg_stat_activity where datname <> $1 and backend_type = 'client backend' order by pid`,
      [evilDatabase],
    );
  const [{ evilDatabase }] = await evil.rows('select current_database() as "evilDatabase"');
  await good.rows('select 1');
  const before = await sessions();
  const tries = `do $$
    begin
      for p in pg_backend_pid() - 3000 .. pg_backend_pid() + 3000 loop
        begin
          if p <> pg_backend_pid() and not (pg_cancel_backend(p) and pg_terminate_backend(p)) then null; end if;
        exception when others then null;
        end;
      end loop;
    end $$`;
  expect((await evil.sql(tries)).code).toBeUndefined();
  expect(before.length).toBeGreaterThan(2);
  expect(await sessions()).toEqual(expect.arrayContaining(before));
  expect(await core.api('GET', '/readyz')).toMatchObject({ status: 200 });
});

describe('66: nothing is shared', () => {
  test('advisory locks of the same number', async () => {
    const hold = evil.session('select pg_advisory_lock(1), pg_advisory_lock(2, 3)', 'select pg_sleep(0.5)');
    const answers = await good.session(
      'select pg_try_advisory_lock(1) as one, pg_try_advisory_lock(2, 3) as two, pg_try_advisory_xact_lock(1) as three',
    );
    expect(answers[0]?.rows).toEqual([{ one: true, two: true, three: true }]);
    expect((await hold).map(({ code }) => code)).toEqual([undefined, undefined]);
  });

  test('table locks and rows of the same names', async () => {
    const hold = evil.session('lock table things in access exclusive mode', 'select pg_sleep(0.5)');
    expect(await good.rows('select * from things for update')).toEqual([{ id: 1, word: 'pearls_and_gold' }]);
    await hold;
    expect(await evil.rows('select * from things')).toEqual([{ id: 1, word: 'dust' }]);
    await evil.rows('drop table things');
    expect(await good.rows('select word from things')).toEqual([{ word: 'pearls_and_gold' }]);
  });

  test('notifications: on the channel of the core they change nothing, and nobody hears them', async () => {
    await evil.rows(`select pg_notify('streamspace_deliveries', repeat('x', 7000))`);
    await good.session('listen gossip', 'select pg_sleep(0.1)');
    await evil.rows(`select pg_notify('gossip', 'psst')`);
    expect(await core.api('GET', '/readyz')).toMatchObject({ status: 200 });
  });
});

test('64: each may connect to its own database and to no other', async () => {
  for (const plugin of [evil, good]) {
    const [{ role, mine }] = await plugin.rows('select current_user as role, current_database() as mine');
    const reached = await serverSql().query(
      `select datname from pg_database where has_database_privilege($1, oid, 'connect') and datname ~ '^(ss|test)_'`,
      [role],
    );
    // Those of plugins and those of cores; whatever else is on a server is its operator's.
    expect(reached).toEqual([{ datname: mine }]);
  }
});

test('66: a flood of notifications does not keep the core from its events', async () => {
  const listener = await installSqlPlugin(core, 'listener', { permissions: ['events:subscribe:custom.*'] });
  await listener.value(`globalThis.got = 0; streamspace.events.on('custom.ring', () => { got += 1; }); return 0`);
  const flood = Promise.all(
    Array.from({ length: 4 }, () =>
      evil.sql(`select count(pg_notify('flood', g || repeat('x', 7000)))::int as n from generate_series(1, 20000) g`),
    ),
  );
  for (let round = 0; round < 10; round += 1) {
    expect(await core.api('POST', '/api/events', { body: { name: 'custom.ring', data: {} } })).toMatchObject({
      status: 202,
    });
  }
  await until(async () => (await listener.value('return got')) === 10, 'the events are delivered');
  await flood;
});
