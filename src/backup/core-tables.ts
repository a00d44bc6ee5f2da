import pg from 'pg';

/** A table of the core whose rows are in a backup. */
export interface CoreTable {
  readonly name: string;
  /** Column that says whose a row is; null when the rows are no plugin's. */
  readonly plugin: string | null;
  /** Columns that are written otherwise than they are, as SQL over the table's row. */
  readonly as?: Readonly<Record<string, string>>;
  /** Only these rows, as SQL; for one plugin also those that `ofPlugin` says. */
  readonly where?: string;
  /** Whether they are left out with a plugin's files. */
  readonly files?: true;
  /** For tables without a column of the plugin: which rows belong to the one named `$plugin`. */
  readonly ofPlugin?: string;
}

/**
 * What a backup holds of the core's database, in an order in which foreign keys are met. Every table of the database is
 * either here or in LEFT_OUT (a test says so).
 */
export const CORE_TABLES: readonly CoreTable[] = [
  { name: 'users', plugin: null },
  { name: 'api_tokens', plugin: null },
  {
    name: 'packages',
    plugin: null,
    // Of one plugin the version that it has; others are there to roll back to, for which the restore points are missing.
    ofPlugin: 'digest = (select package_digest from installed_plugins where name = $plugin)',
  },
  { name: 'installed_plugins', plugin: 'name', as: { resting: 'null' } },
  { name: 'plugin_versions', plugin: 'plugin_name' },
  { name: 'plugin_switches', plugin: 'plugin_name' },
  { name: 'plugin_permission_use', plugin: 'plugin_name' },
  { name: 'plugin_post_mortems', plugin: 'plugin_name' },
  { name: 'plugin_subscriptions', plugin: 'plugin_name' },
  { name: 'plugin_jobs', plugin: 'plugin_name' },
  // Of the core that is copied nothing runs where it is restored: what ran is lost then, and is noted so.
  { name: 'job_runs', plugin: 'plugin_name' },
  { name: 'events', plugin: null },
  // What another core has claimed is not claimed any more.
  { name: 'deliveries', plugin: 'plugin_name', as: { claimed_by: 'null' } },
  { name: 'audit_log', plugin: null },
  { name: 'plugin_storage_usage', plugin: 'plugin_name' },
  { name: 'plugin_storage', plugin: 'plugin_name' },
  { name: 'secret_key', plugin: null },
  { name: 'plugin_secrets', plugin: 'plugin_name' },
  { name: 'plugin_files_usage', plugin: 'plugin_name', as: { unnamed_bytes: '0' } },
  {
    name: 'plugin_blobs',
    plugin: 'plugin_name',
    files: true,
    // Restore points are left out, and so is what only they have.
    as: { names: '(select count(*) from plugin_files f where f.blob = t.key)', tries: '0' },
    where: `state = 'kept' and exists (select from plugin_files f where f.blob = t.key)`,
  },
  { name: 'plugin_files', plugin: 'plugin_name', files: true },
];

/** What is no part of a backup, and why. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  schema_migrations: 'made by the migrations that make the tables',
  auth_sessions: 'who was signed in signs in again: a backup that is stolen opens no session',
  replicas: 'cores that are running',
  leases: 'what they do at the moment',
  plugin_pauses: 'what they do at the moment',
  plugin_pauses_kept: 'what they do at the moment',
  delivery_jobs: 'bulk replays under way: whoever asked for one asks again, rather than be surprised by it',
  plugin_arrivals: 'first installs under way: they are not there yet',
  plugin_databases: 'names of databases of one server; the plugins get new ones',
  restore_points: 'copies of what the backup holds as it is now; they would multiply its size',
  restore_point_storage: 'as restore_points',
  restore_point_secrets: 'as restore_points',
  restore_point_files: 'as restore_points',
};

/** Tables from which one plugin is restored; the rest of its rows tells what it did elsewhere. */
export const PLUGIN_TABLES: ReadonlySet<string> = new Set([
  'packages',
  'installed_plugins',
  'plugin_storage',
  'plugin_secrets',
  'plugin_blobs',
  'plugin_files',
]);

/** `copy (select ...) to stdout` of a table's rows: of all, or of those of one plugin. */
export function copyStatement(
  table: CoreTable,
  columns: readonly string[],
  { plugin, without }: { readonly plugin: string | null; readonly without: readonly string[] },
): string {
  const list = columns.map((column) => table.as?.[column] ?? `t.${pg.escapeIdentifier(column)}`);
  const conditions = table.where === undefined ? [] : [table.where];
  if (plugin !== null) {
    const name = pg.escapeLiteral(plugin);
    conditions.push(table.ofPlugin?.replaceAll('$plugin', () => name) ?? `t.${table.plugin} = ${name}`);
  }
  if (table.files && without.length > 0) {
    conditions.push(`t.${table.plugin} not in (${without.map((name) => pg.escapeLiteral(name)).join(', ')})`);
  }
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  return `copy (select ${list.join(', ')} from public.${table.name} t${where}) to stdout`;
}
