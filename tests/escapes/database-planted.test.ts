import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type PluginSource, tryInstall } from '../kit/plugin.ts';
import { installSqlPlugin, type SqlPlugin, sqlPlugin } from '../kit/sql-plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// ADVERSARY 60: what a plugin plants in its schema (tables, views, functions, operators under names that the core uses) runs
// as the plugin, whenever the core comes by: with an upgrade, a rollback, a look at its size.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: SqlPlugin;

/** Whoever runs something of the plugin's is noted, with the power that it has. */
const WITNESS = [
  'create table witness (what text, who text, session text, strong text)',
  `create function note(what text) returns void language sql volatile as $$
     insert into plugin.witness values (what, current_user, session_user, pg_catalog.current_setting('is_superuser')) $$`,
];
/** Functions and relations that the core's statements may name without a schema, or of this very schema. */
const SHADOWS = [
  ...['now', 'version', 'current_database', 'pg_backend_pid'].map(
    (name) =>
      `create function ${name}() returns text language sql volatile as $$ select plugin.note('${name}'); select 'x'::text $$`,
  ),
  `create function to_regclass(text) returns regclass language sql volatile as
     $$ select plugin.note('to_regclass'); select null::regclass $$`,
  `create function pg_database_size(name) returns bigint language sql volatile as
     $$ select plugin.note('pg_database_size'); select 0::bigint $$`,
  `create function same(a text, b text) returns boolean language sql volatile as
     $$ select plugin.note('='); select a operator(pg_catalog.=) b $$`,
  'create operator = (leftarg = text, rightarg = text, function = same)',
  ...['pg_class', 'pg_namespace', 'pg_database', 'pg_tables', 'pg_roles', 'pg_stat_activity'].map(
    (name) => `create view ${name} as select note('${name}')::text as relname, 1 as oid`,
  ),
];
/** The list of migrations becomes a view that tells. */
const LEDGER = [
  'alter table streamspace_migrations rename to ledger',
  `create view streamspace_migrations as select name, checksum, applied_at from ledger where note('ledger') is not null`,
  `create function keep() returns trigger language plpgsql as $$
     begin perform plugin.note('insert'); insert into plugin.ledger values (new.name, new.checksum); return new; end $$`,
  `create trigger keep instead of insert on streamspace_migrations for each row execute function keep()`,
];

/** Its next version, which has a migration. */
let next: PluginSource;

beforeAll(async () => {
  core = await startCore();
  evil = await installSqlPlugin(core, 'evil-planter');
  next = sqlPlugin('evil-planter', { version: '2.0.0' }, { 'migrations/0001-next.sql': 'create table next (a int);' });
});
afterAll(async () => {
  await core?.stop();
});

/** As whom the plants have run so far; in the database of an earlier version, and in copies of it, as much is told. */
async function power(): Promise<unknown[]> {
  const { rows } = await evil.sql(
    `select distinct who operator(pg_catalog.=) session and who operator(pg_catalog.=) current_user::text as same, strong
     from plugin.witness`,
  );
  return [...rows];
}

test('60: nothing of it ever runs as anybody else', async () => {
  await evil.value(`return streamspace.database.migrate('create table begun (a int)')`);
  const planted = await evil.session(...WITNESS, ...SHADOWS, ...LEDGER);
  expect(planted.filter(({ code }) => code !== undefined)).toEqual([]);
  await evil.rows('alter role current_user set search_path = plugin, pg_catalog');
  // They work, and as whom is told.
  await evil.session('set search_path = plugin, pg_catalog', 'select now() from pg_class');
  expect(await power()).toEqual([{ same: true, strong: 'off' }]);

  // Whatever the core does with the database. That a plugin breaks its own upgrades and backups is its own affair.
  await evil.value(`return streamspace.database.migrate('create table begun_again (a int)').catch(() => null)`);
  const path = '/api/plugins/evil-planter';
  await core.api('POST', `${path}/reload`);
  expect(await power()).toEqual([{ same: true, strong: 'off' }]);
  await core.api('POST', `${path}/restore-points`);
  await core.api('GET', '/api/backup?plugin=evil-planter');
  await core.api('GET', '/api/backup');
  for (const view of ['', '/metrics', '/versions', '/restore-points']) {
    expect((await core.api('GET', path + view)).status).toBe(200);
  }
  expect(await power()).toEqual([{ same: true, strong: 'off' }]);
  const { status } = await tryInstall(core, next, { grants: 'all' });
  expect([201, 422]).toContain(status);
  expect(await power()).toEqual([{ same: true, strong: 'off' }]);
  await core.api('POST', `${path}/rollback`);
  expect(await power()).toEqual([{ same: true, strong: 'off' }]);
  expect(await core.api('GET', '/readyz')).toMatchObject({ status: 200 });
  expect((await core.api('DELETE', path)).status).toBeLessThan(300);
});
