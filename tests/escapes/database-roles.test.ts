import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { serverSql } from '../kit/postgres.ts';
import { installSqlPlugin, type SqlPlugin } from '../kit/sql-plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// ADVERSARY 59, 61, 64, 65, 67, 69: no way up, no way out. Postgres refuses, since the role of a plugin may nothing more.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: SqlPlugin;
let good: SqlPlugin;

beforeAll(async () => {
  core = await startCore();
  evil = await installSqlPlugin(core, 'evil-roles');
  good = await installSqlPlugin(core, 'good-neighbour');
  await good.rows('create table things (word text)');
  await good.rows(`insert into things values ('mine')`);
  await evil.rows('create table things (word text)');
});
afterAll(async () => {
  expect(await good.rows('select word from things')).toEqual([{ word: 'mine' }]);
  expect(await core.api('GET', '/readyz')).toMatchObject({ status: 200 });
  await core?.stop();
});

/** What Postgres may answer: not allowed; not known here (an extension that is not shipped). */
const REFUSED = ['42501', '0A000', '58P01', '42883', '42704', '3F000', '0LP01', '22023', '55000', '58000'];

const SUPERUSERS = ['streamspace', 'postgres', 'pg_read_server_files', 'pg_execute_server_program', 'pg_monitor'];

describe.each(
  Object.entries({
    '59: another role': [
      ...SUPERUSERS.flatMap((role) => [
        `set role ${role}`,
        `set session authorization ${role}`,
        `select set_config('role', '${role}', false)`,
        `select set_config('session_authorization', '${role}', false)`,
        `do $$ begin execute 'set role ${role}'; end $$`,
        `do $$ begin perform set_config('role', '${role}', true); end $$`,
        `alter table things owner to ${role}`,
        `grant ${role} to current_user`,
      ]),
      'create role another login superuser',
      'create user another',
      'grant pg_write_server_files to public',
      'drop role streamspace',
      'reassign owned by streamspace to current_user',
    ],
    '61: its own role': [
      'alter role current_user superuser',
      'alter role current_user createrole',
      'alter role current_user createdb',
      'alter role current_user replication',
      'alter role current_user bypassrls',
      'alter role current_user connection limit 1000',
      `do $$ begin execute format('alter role %I rename to another', current_user); end $$`,
      `alter role current_user valid until 'infinity'`,
      'alter role all set work_mem = 65536',
      'alter role streamspace set work_mem = 65536',
      `set temp_file_limit = -1`,
      `alter role current_user set temp_file_limit = -1`,
      `set session_replication_role = replica`,
      `set log_statement = 'all'`,
      `set session_preload_libraries = 'auto_explain'`,
      `load 'auto_explain'`,
      `alter system set work_mem = '1GB'`,
    ],
    '64: another database, another schema': [
      'create database another',
      ...[
        'set work_mem = 65536',
        'rename to another',
        'connection limit 100',
        'owner to current_user',
        'allow_connections true',
      ].map((change) => `do $$ begin execute format('alter database %I ${change}', current_database()); end $$`),
      `do $$ begin execute format('comment on database %I is %L', current_database(), 'x'); end $$`,
      'drop database postgres',
      'create schema another',
      'create table public.things (a int)',
      'create table pg_catalog.things (a int)',
      'create extension dblink',
      'create extension postgres_fdw',
      'create foreign data wrapper another',
      'create subscription another connection $$host=localhost$$ publication p',
      'create publication another for all tables',
      'create event trigger another on ddl_command_start execute function pg_catalog.suppress_redundant_updates_trigger()',
      `create tablespace another location '/tmp'`,
      'select * from another.public.things',
    ],
    '65: large objects, temporary tables': [
      'select lo_create(0)',
      'select lo_creat(-1)',
      `select lo_from_bytea(0, 'x')`,
      'select lo_open(1, 131072)',
      `select lo_put(1, 0, 'x')`,
      'select lo_get(1)',
      'create temporary table t (a int)',
      'create temp sequence s',
      'select 1 as a into temp t',
      'create temp view v as select 1 as a',
      'create table pg_temp.t (a int)',
    ],
    '67: the machine': [
      `do $$ begin execute 'copy things to program ''id'''; end $$`,
      `do $$ begin execute 'copy things from program ''id'''; end $$`,
      `do $$ begin execute 'copy things to ''/tmp/things'''; end $$`,
      `do $$ begin execute 'copy things from ''/etc/passwd'''; end $$`,
      `select lo_import('/etc/passwd')`,
      `select lo_export(1, '/tmp/x')`,
      `select pg_read_file('/etc/passwd')`,
      `select pg_read_binary_file('/etc/passwd')`,
      `select pg_stat_file('/etc/passwd')`,
      `select pg_ls_dir('/')`,
      'select pg_ls_logdir()',
      'select pg_ls_waldir()',
      'select pg_ls_tmpdir()',
      'select pg_current_logfile()',
      'select * from pg_hba_file_rules',
      'select * from pg_file_settings',
      'select * from pg_authid',
      'select * from pg_shadow',
      `select current_setting('data_directory')`,
      `select current_setting('config_file')`,
      `select current_setting('unix_socket_directories')`,
      'show data_directory',
      'select pg_reload_conf()',
      'select pg_rotate_logfile()',
      'select pg_switch_wal()',
      `select pg_create_restore_point('x')`,
      'select pg_promote()',
      `select pg_create_physical_replication_slot('x')`,
      `select pg_backup_start('x')`,
      'select pg_log_backend_memory_contexts(pg_backend_pid())',
      'checkpoint',
      'create language plperlu',
      'create extension file_fdw',
      'create extension adminpack',
      'create extension pgcrypto',
      'create extension hstore',
      `create function system(text) returns int language c as '/lib/x86_64-linux-gnu/libc.so.6', 'system'`,
      `create function fetchval(text) returns text language internal as 'pg_read_file_all'`,
    ],
  }),
)('%s', (_what, statements) => {
  test.each(statements)('%s', async (statement) => {
    const { code, sqlstate, rows } = await evil.sql(statement);
    expect({ code, rows }).toEqual({ code: 'database_error', rows: [] });
    expect(REFUSED).toContain(sqlstate as string);
  });
});

describe('59: who it is', () => {
  test('a role that may log in and nothing else, and is a member of nothing', async () => {
    const [{ role }] = await evil.rows('select current_user as role');
    const [facts] = await serverSql().query(
      `select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as strong, rolcanlogin as logs_in,
         exists (select from pg_auth_members where member = r.oid) as is_member, rolconnlimit between 1 and 50 as limited
       from pg_roles r where rolname = $1`,
      [role],
    );
    expect(facts).toEqual({ strong: false, logs_in: true, is_member: false, limited: true });
  });

  test.each([
    'reset role',
    'set role none',
    'set session authorization default',
    'reset session authorization',
    'reset all',
  ])('after %s: the same, with no power', async (statement) => {
    const answers = await evil.session(statement, 'select current_user = session_user as same');
    expect(answers[1]?.rows).toEqual([{ same: true }]);
  });
});

describe('61: what it may change of its own role', () => {
  test('its password: it goes on, and so does everything else', async () => {
    await evil.rows(`do $$ begin execute format('alter role %I password %L', current_user, 'mine now'); end $$`);
    // A new isolate, and more at a time than have a connection.
    await evil.renew();
    const counts = await evil.value(
      `return Promise.all(Array.from({ length: 12 }, () => attempt(streamspace.database, 'select count(*)::int as n from things, pg_sleep(0.05)')))`,
    );
    expect(counts).toEqual(Array.from({ length: 12 }, () => ({ rows: [{ n: 0 }] })));
  });

  test('settings of its later sessions: they are its own problem, and it can take them back', async () => {
    for (const setting of [
      "statement_timeout = '1ms'",
      "search_path = 'nowhere'",
      'default_transaction_read_only = on',
    ]) {
      await evil.sql(`alter role current_user set ${setting}`);
    }
    await evil.renew();
    expect(await good.rows('select word from things')).toEqual([{ word: 'mine' }]);
    expect((await core.api('GET', '/api/plugins/evil-roles')).status).toBe(200);
    await evil.sql('alter role current_user reset all');
    await evil.renew();
    expect(await evil.rows('select word from things')).toEqual([]);
  });
});

test('69: one statement at a time', async () => {
  expect(await evil.sql('select 1; select 2')).toMatchObject({ code: 'database_error', sqlstate: '42601' });
  expect(await evil.sql(`insert into things values ('a'); drop table things`)).toMatchObject({ sqlstate: '42601' });
  expect(await evil.rows('select word from things')).toEqual([]);
});

test.each([
  ['copy things from stdin', 'invalid_input'],
  ['copy things to stdout', 'invalid_input'],
  ['/* it is no */ ( copy (select 1) to stdout )', 'invalid_input'],
  [`do $$ begin execute 'copy things to stdout'; end $$`, 'database_error'],
  ['begin', 'invalid_input'],
  ['commit', 'invalid_input'],
  [`prepare transaction 'x'`, 'invalid_input'],
  [`do $$ begin commit; end $$`, undefined],
  ['fetch all from nothing', 'database_error'],
  ['', 'invalid_input'],
  [';', undefined],
  ['select 1 \u0000', 'invalid_input'],
])('what has no place in a call leaves the session as it was: %s', async (statement, code) => {
  const { code: found } = await evil.sql(statement);
  expect(found).toBe(code as string);
  expect(await evil.rows('select 1 as one')).toEqual([{ one: 1 }]);
});
