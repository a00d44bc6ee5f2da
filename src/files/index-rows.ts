import { type RawBuilder, sql } from 'kysely';
import type { FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { FileConditions, FileInfo, NewFile } from '../../sandbox-apis/files/service.ts';
import type { Db, Trx } from '../db/client.ts';

/** A file as the index has it. */
export interface FileRow {
  readonly path: string;
  readonly blob: string;
  readonly backend: string;
  readonly size: number;
  readonly sha256: string;
  readonly content_type: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export function infoOf(row: Omit<FileRow, 'blob' | 'backend'>): FileInfo {
  return {
    path: row.path,
    size: row.size,
    etag: row.sha256,
    contentType: row.content_type,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/** Everything that changes a plugin's files joins this first: writers then wait for each other in a row. */
const usageOf = (plugin: string) => sql`
  usage as materialized (select * from plugin_files_usage where plugin_name = ${plugin} for update)`;

/** Makes the usage row, and gives it the quota of now; the triggers know no other. */
export async function writeQuota(db: Db | Trx, plugin: string, { bytes, files }: FilesQuota): Promise<void> {
  await sql`
    insert into plugin_files_usage as u (plugin_name, max_bytes, max_files) values (${plugin}, ${bytes}, ${files})
    on conflict (plugin_name) do update set max_bytes = excluded.max_bytes, max_files = excluded.max_files
    where u.max_bytes <> excluded.max_bytes or u.max_files <> excluded.max_files`.execute(db);
}

/** Locks the usage row, for a transaction of several statements. */
export async function lockUsage(trx: Trx, plugin: string): Promise<void> {
  await sql`select from plugin_files_usage where plugin_name = ${plugin} for update`.execute(trx);
}

export async function findFile(db: Db, plugin: string, path: string): Promise<FileRow | null> {
  const { rows } = await sql<FileRow>`
    select f.path, f.blob, b.backend, f.size, f.sha256, f.content_type, f.metadata, f.created_at, f.updated_at
    from plugin_files f join plugin_blobs b on b.key = f.blob
    where f.plugin_name = ${plugin} and f.path = ${path}`.execute(db);
  return rows[0] ?? null;
}

/** What a file `f` has to be, for a write that replaces it. */
function replaces({ ifMatch, ifNoneMatch }: FileConditions): RawBuilder<unknown> {
  const match = ifMatch === undefined || ifMatch === '*' ? sql`true` : sql`f.sha256 = ${ifMatch}`;
  const none =
    ifNoneMatch === undefined ? sql`true` : ifNoneMatch === '*' ? sql`false` : sql`f.sha256 <> ${ifNoneMatch}`;
  return sql`${match} and ${none}`;
}

/** Whether the conditions hold for the file that is there, or for none. */
export function holds({ ifMatch, ifNoneMatch }: FileConditions, etag: string | null): boolean {
  if (ifMatch !== undefined && (etag === null || (ifMatch !== '*' && ifMatch !== etag))) return false;
  return ifNoneMatch === undefined || etag === null || (ifNoneMatch !== '*' && ifNoneMatch !== etag);
}

/**
 * Gives a path the blob that was written for it. Null when a condition does not hold, or the blob was given up meanwhile.
 */
export async function nameBlob(
  db: Db,
  plugin: string,
  path: string,
  blob: { readonly key: string; readonly size: number; readonly sha256: string },
  file: NewFile,
): Promise<{ readonly info: FileInfo; readonly replaced: boolean } | null> {
  const metadata = sql`${JSON.stringify(file.metadata)}::text::jsonb`;
  const kept = sql`
    ${usageOf(plugin)}, kept as (
      update plugin_blobs b set state = 'kept', bytes = ${blob.size} from usage
      where b.key = ${blob.key} and b.state = 'writing' returning b.key
    )`;
  const statement =
    file.ifMatch === undefined
      ? sql`
        with ${kept}
        insert into plugin_files as f (plugin_name, path, blob, size, sha256, content_type, metadata)
        select ${plugin}, ${path}, key, ${blob.size}::bigint, ${blob.sha256}, ${file.contentType}, ${metadata} from kept
        on conflict (plugin_name, path) do update
        set blob = excluded.blob, size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type,
          metadata = excluded.metadata, updated_at = now()
        where ${replaces(file)}
        returning f.*, (xmax <> 0) as replaced`
      : sql`
        with ${kept}
        update plugin_files f
        set blob = kept.key, size = ${blob.size}, sha256 = ${blob.sha256}, content_type = ${file.contentType},
          metadata = ${metadata}, updated_at = now()
        from kept where f.plugin_name = ${plugin} and f.path = ${path} and ${replaces(file)}
        returning f.*, true as replaced`;
  const { rows } = await (statement as RawBuilder<FileRow & { replaced: boolean }>).execute(db);
  const row = rows[0];
  return row === undefined ? null : { info: infoOf(row), replaced: row.replaced };
}

/** Gives the blob of one file to another path. Null when there is no such file, or a condition of the other does not hold. */
export async function copyRow(
  db: Db | Trx,
  plugin: string,
  from: string,
  to: string,
  conditions: FileConditions,
): Promise<FileInfo | null> {
  const there =
    conditions.ifMatch === undefined
      ? sql`true`
      : sql`
    exists (select from plugin_files o where o.plugin_name = ${plugin} and o.path = ${to})`;
  const { rows } = await sql<FileRow>`
    with ${usageOf(plugin)}
    insert into plugin_files as f (plugin_name, path, blob, size, sha256, content_type, metadata)
    select s.plugin_name, ${to}, s.blob, s.size, s.sha256, s.content_type, s.metadata
    from usage join plugin_files s on s.plugin_name = ${plugin} and s.path = ${from} and ${there}
    on conflict (plugin_name, path) do update
    set blob = excluded.blob, size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type,
      metadata = excluded.metadata, updated_at = now()
    where ${replaces(conditions)}
    returning f.*`.execute(db);
  return rows[0] === undefined ? null : infoOf(rows[0]);
}

/** Gives a file another path, in the place of what is there. Null as `copyRow`. */
export async function moveRow(
  trx: Trx,
  plugin: string,
  from: string,
  to: string,
  conditions: FileConditions,
): Promise<FileInfo | null> {
  await lockUsage(trx, plugin);
  const { rows: there } = await sql<Pick<FileRow, 'path' | 'sha256'>>`
    select path, sha256 from plugin_files where plugin_name = ${plugin} and path in (${from}, ${to})`.execute(trx);
  const target = there.find(({ path }) => path === to);
  const found = there.some(({ path }) => path === from);
  if (!found || !holds(conditions, target?.sha256 ?? null)) return null;
  if (from !== to) await sql`delete from plugin_files where plugin_name = ${plugin} and path = ${to}`.execute(trx);
  const { rows } = await sql<FileRow>`
    update plugin_files set path = ${to} where plugin_name = ${plugin} and path = ${from} returning *`.execute(trx);
  return rows[0] === undefined ? null : infoOf(rows[0]);
}

/** @returns whether a file was removed */
export async function deleteRow(
  db: Db | Trx,
  plugin: string,
  path: string,
  conditions: FileConditions,
): Promise<boolean> {
  const { rows } = await sql`
    with ${usageOf(plugin)}
    delete from plugin_files f using usage
    where f.plugin_name = ${plugin} and f.path = ${path} and ${replaces(conditions)} returning 1 as one`.execute(db);
  return rows.length > 0;
}
