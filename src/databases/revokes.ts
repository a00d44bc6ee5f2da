/** What tells of other databases, roles and sessions of the server. The catalogs of its own database stay readable. */
const VIEWS = [
  'pg_auth_members',
  'pg_database',
  'pg_db_role_setting',
  'pg_group',
  'pg_locks',
  'pg_prepared_xacts',
  'pg_replication_origin',
  'pg_replication_origin_status',
  'pg_replication_slots',
  'pg_roles',
  'pg_shdepend',
  'pg_shdescription',
  'pg_shseclabel',
  'pg_stat_activity',
  'pg_stat_archiver',
  'pg_stat_bgwriter',
  'pg_stat_database',
  'pg_stat_database_conflicts',
  'pg_stat_gssapi',
  'pg_stat_io',
  'pg_stat_progress_analyze',
  'pg_stat_progress_basebackup',
  'pg_stat_progress_cluster',
  'pg_stat_progress_copy',
  'pg_stat_progress_create_index',
  'pg_stat_progress_vacuum',
  'pg_stat_replication',
  'pg_stat_replication_slots',
  'pg_stat_slru',
  'pg_stat_ssl',
  'pg_stat_subscription',
  'pg_stat_subscription_stats',
  'pg_stat_wal',
  'pg_stat_wal_receiver',
  'pg_tablespace',
  'pg_user',
  'pg_largeobject_metadata',
];

/**
 * Functions behind these views, and what reaches beyond the database or past its size: large objects, texts in the log of
 * changes, snapshots that others may import. Patterns of `like`.
 */
const FUNCTIONS = [
  'lo\\_%',
  'loread',
  'lowrite',
  'pg\\_stat\\_get\\_activity',
  'pg\\_stat\\_get\\_backend%',
  'pg\\_stat\\_get\\_db%',
  'pg\\_stat\\_get\\_progress%',
  'pg\\_stat\\_get\\_wal%',
  'pg\\_lock\\_status',
  'pg\\_prepared\\_xact',
  'pg\\_get\\_replication%',
  'pg\\_show\\_replication%',
  'pg\\_logical\\_emit\\_message',
  'pg\\_export\\_snapshot',
  'pg\\_notification\\_queue\\_usage',
  'pg\\_listening\\_channels',
  'pg\\_tablespace%',
  'pg\\_database\\_size',
  'pg\\_blocking\\_pids',
  'pg\\_safe\\_snapshot\\_blocking\\_pids',
];

const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');

/**
 * What a superuser takes from PUBLIC in a new database; copies of it have it with them. What a version of Postgres does not
 * have is passed over.
 */
export const REVOKES = `do $$
declare one text;
begin
  for one in select c.oid::pg_catalog.regclass::text from pg_catalog.pg_class c
    where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relname in (${list(VIEWS)})
  loop
    execute 'revoke all on ' || one || ' from public';
  end loop;
  for one in select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p
    where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.prokind = 'f'
      and p.proname like any (array[${list(FUNCTIONS)}])
  loop
    execute 'revoke all on function ' || one || ' from public';
  end loop;
end $$`;
