import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { USE_LIMITS } from './limits.ts';

export type UseKind = 'permission' | 'capability';

/** Counts to add to what the database has; times are milliseconds since 1970, meaningless where the count is 0. */
export interface UseRow {
  readonly plugin: string;
  readonly kind: UseKind;
  readonly name: string;
  readonly uses: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly refused: number;
  readonly refusedAt: number;
}

/** What is known of one permission or capability of a plugin. */
export interface Use {
  readonly kind: UseKind;
  readonly name: string;
  readonly grantedAt: Date | null;
  readonly uses: number;
  readonly firstUsedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly refused: number;
  readonly lastRefusedAt: Date | null;
}

/**
 * Adds counts; answers the plugins that are installed, whose counts were taken. Their rows are locked first, in order:
 * whoever changes grants (a trigger notes them here) holds that lock too.
 */
export async function saveUses(db: Db, rows: readonly UseRow[]): Promise<ReadonlySet<string>> {
  const time = (count: number, at: number): Date | null => (count === 0 ? null : new Date(at));
  const { rows: saved } = await sql<{ plugin: string }>`
    with locked as (
      select name from installed_plugins where name = any (${rows.map(({ plugin }) => plugin)}::text[])
      order by name for no key update
    )
    insert into plugin_permission_use as known
      (plugin_name, kind, permission, uses, first_used_at, last_used_at, refused, last_refused_at)
    select fresh.* from unnest(
      ${rows.map(({ plugin }) => plugin)}::text[],
      ${rows.map(({ kind }) => kind)}::text[],
      ${rows.map(({ name }) => name)}::text[],
      ${rows.map(({ uses }) => uses)}::bigint[],
      ${rows.map(({ uses, firstAt }) => time(uses, firstAt))}::timestamptz[],
      ${rows.map(({ uses, lastAt }) => time(uses, lastAt))}::timestamptz[],
      ${rows.map(({ refused }) => refused)}::bigint[],
      ${rows.map(({ refused, refusedAt }) => time(refused, refusedAt))}::timestamptz[]
    ) as fresh (plugin, kind, name, uses, first_at, last_at, refused, refused_at)
    join locked on locked.name = fresh.plugin
    on conflict (plugin_name, kind, permission) do update set
      uses = known.uses + excluded.uses,
      first_used_at = least(known.first_used_at, excluded.first_used_at),
      last_used_at = greatest(known.last_used_at, excluded.last_used_at),
      refused = known.refused + excluded.refused,
      last_refused_at = greatest(known.last_refused_at, excluded.last_refused_at)
    returning known.plugin_name as plugin`.execute(db);
  return new Set(saved.map(({ plugin }) => plugin));
}

/** Forgets the oldest of what a plugin was refused and never had. */
export async function pruneRefusals(db: Db, plugins: readonly string[]): Promise<void> {
  await sql`
    delete from plugin_permission_use as old using (
      select plugin_name, permission,
        row_number() over (partition by plugin_name order by last_refused_at desc, permission) as place
      from plugin_permission_use
      where plugin_name = any (${plugins}::text[]) and kind = 'permission' and uses = 0 and granted_at is null
    ) as ranked
    where ranked.place > ${USE_LIMITS.refusals}::int and old.kind = 'permission'
      and old.plugin_name = ranked.plugin_name and old.permission = ranked.permission`.execute(db);
}

export async function listUses(db: Db, plugin: string): Promise<Use[]> {
  const rows = await db
    .selectFrom('plugin_permission_use')
    .selectAll()
    .where('plugin_name', '=', plugin)
    .orderBy('permission')
    .execute();
  return rows.map((row) => ({
    kind: row.kind as UseKind,
    name: row.permission,
    grantedAt: row.granted_at,
    uses: row.uses,
    firstUsedAt: row.first_used_at,
    lastUsedAt: row.last_used_at,
    refused: row.refused,
    lastRefusedAt: row.last_refused_at,
  }));
}
