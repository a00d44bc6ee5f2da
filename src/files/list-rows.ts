import { type RawBuilder, sql } from 'kysely';
import type { FileInfo, FilePage } from '../../sandbox-apis/files/service.ts';
import type { Db } from '../db/client.ts';
import { endOfPrefix } from '../storage/key-range.ts';
import { type FileRow, infoOf } from './index-rows.ts';

interface ListRow extends FileRow {
  /** The path, or the folder that it is in. */
  readonly entry: string;
}

const isFolder = (entry: string): boolean => entry.endsWith('/');

/**
 * A page of the index, by one look at it for each entry, however many files a folder has.
 *
 * @param bytes of a page as JSON; the first entry always fits
 */
export async function listFiles(
  db: Db,
  plugin: string,
  page: { readonly prefix: string; readonly folders: boolean; readonly after: string | null; readonly limit: number },
  bytes: number,
): Promise<FilePage> {
  const { prefix, folders, after, limit } = page;
  const end = endOfPrefix(prefix);
  const below = end === null ? sql`true` : sql`f.path < ${end}`;
  const rest = sql`substr(f.path, ${[...prefix].length + 1}::int)`;
  const entry = folders
    ? sql`case when strpos(${rest}, '/') > 0 then ${prefix}::text || split_part(${rest}, '/', 1) || '/' else f.path end`
    : sql`f.path`;
  // What comes after a folder is after all that is in it ("0" follows "/"); no path has a character before the space.
  const next = (last: RawBuilder<unknown>) => sql`
    f.path >= case when right(${last}, 1) = '/' then left(${last}, -1) || '0' else ${last} || ' ' end`;
  const from = after === null ? sql`f.path >= ${prefix}` : sql`f.path >= ${prefix} and ${next(sql`${after}::text`)}`;
  const one = (where: RawBuilder<unknown>) => sql`
    select f.path, ${entry} collate "C" as entry from plugin_files f
    where f.plugin_name = ${plugin} and ${where} and ${below} order by f.path limit 1`;
  const { rows } = await sql<ListRow>`
    with recursive page as (
      (select first.path, first.entry, 1 as nth from (${one(from)}) as first)
      union all
      select following.path, following.entry, page.nth + 1
      from page cross join lateral (${one(next(sql`page.entry`))}) as following
      where page.nth <= ${limit}
    )
    select page.entry, f.* from page join plugin_files f on f.plugin_name = ${plugin} and f.path = page.path
    order by page.entry collate "C"`.execute(db);
  return cut(rows, limit, bytes);
}

function cut(rows: readonly ListRow[], limit: number, bytes: number): FilePage {
  const files: FileInfo[] = [];
  const folders: string[] = [];
  let last: string | null = null;
  let used = 0;
  for (const [nth, row] of rows.entries()) {
    const info = infoOf(row);
    used += Buffer.byteLength(JSON.stringify(isFolder(row.entry) ? row.entry : info)) + 1;
    if (nth === limit || (nth > 0 && used > bytes)) return { files, folders, last };
    if (isFolder(row.entry)) folders.push(row.entry);
    else files.push(info);
    last = row.entry;
  }
  return { files, folders, last: null };
}
