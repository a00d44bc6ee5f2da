import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { checkMetadata, checkPath } from '../../sandbox-apis/files/checks.ts';
import { ContentType, Metadata } from '../../sandbox-apis/files/contract.ts';
import { STORAGE_LIMITS } from '../../sandbox-apis/storage/limits.ts';
import { type PackageFiles, readArchive } from '../packages/read.ts';
import { limitsSchema } from '../quotas/limits-schema.ts';
import type { SealedValue } from '../secrets/envelope.ts';
import { copyIn } from './copy.ts';
import { fillStatement, tableColumns } from './core-data.ts';
import { PLUGIN_TABLES } from './core-tables.ts';
import { damaged, reasonOf } from './failures.ts';
import type { BackupHead } from './head.ts';
import type { Section } from './sections.ts';

/** A plugin as its backup has it; nothing of it is trusted yet. */
export interface StagedRow {
  readonly version: string;
  readonly source: string;
  readonly digest: string;
  readonly enabled: boolean;
  readonly config: Record<string, unknown>;
  readonly limits: Record<string, unknown>;
}

/** A file as its backup has it. */
export interface StagedFile {
  readonly blob: string;
  readonly size: number;
  readonly sha256: string;
}

const Row = Type.Object({
  version: Type.String({ maxLength: 256 }),
  source: Type.String({ maxLength: 20 }),
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  enabled: Type.Boolean(),
  config: Type.Record(Type.String(), Type.Unknown()),
  limits: Type.Unknown(),
});

const File = Type.Object({
  path: Type.String(),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  content_type: ContentType,
  metadata: Metadata,
});
/** Of a row of plugin_storage; its own constraint. */
const STORED_BYTES = 1_048_576;
/** Rows that are looked at at a time. */
const FETCH = 500;

/** Temporary tables with the core's rows of a backup: from there one plugin's are taken into the real ones. */
export class StagedCore {
  readonly session: pg.Client;
  readonly #plugin: string;
  readonly #head: BackupHead;
  readonly #rows = new Map<string, number>();

  /** @param session a connection as the core; the tables go with it */
  constructor(session: pg.Client, plugin: string, head: BackupHead) {
    this.session = session;
    this.#plugin = plugin;
    this.#head = head;
  }

  async begin(): Promise<void> {
    for (const name of PLUGIN_TABLES) {
      // Columns and types alone: what they have to be is checked where they are put.
      await this.session.query(
        `create temporary table ${staged(name)} as table public.${pg.escapeIdentifier(name)} with no data`,
      );
    }
    // Each content is looked up.
    await this.session.query(`create index on ${staged('plugin_files')} (plugin_name, blob)`);
  }

  async take({ name: section, content }: Section): Promise<void> {
    const name = section.slice('core/'.length);
    if (!PLUGIN_TABLES.has(name)) return;
    const known = await tableColumns(this.session, [name]);
    const statement = fillStatement(this.#head, name, known, staged(name));
    try {
      this.#rows.set(section, await copyIn(this.session, statement, content));
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError('restore_failed', `The rows of ${name} cannot be read: ${reasonOf(error)}`);
    }
  }

  /** @throws CodedError `backup_damaged` when a table has more or fewer rows than were written */
  checkRows(rows: Readonly<Record<string, number>>): void {
    for (const name of PLUGIN_TABLES) {
      const section = `core/${name}`;
      const found = this.#rows.get(section) ?? 0;
      if (found !== (rows[section] ?? 0)) throw damaged(`${section} has ${found} rows, not ${rows[section] ?? 0}`);
    }
  }

  /** @throws CodedError `backup_damaged` */
  async row(): Promise<StagedRow> {
    const { rows } = await this.session.query(
      `select version, source, package_digest as digest, enabled, config, limits from ${staged('installed_plugins')}
       where name = $1 limit 2`,
      [this.#plugin],
    );
    const [row] = rows;
    if (rows.length !== 1 || !Value.Check(Row, row)) throw damaged(`it says of ${this.#plugin} what cannot be`);
    return { ...row, limits: Value.Check(limitsSchema, row.limits) ? row.limits : {} };
  }

  /** The package; null when the backup has none. @throws CodedError `backup_damaged`, of reading the package */
  async package(digest: string): Promise<PackageFiles | null> {
    const { rows } = await this.session.query<{ archive: Buffer }>(
      `select archive from ${staged('packages')} where digest = $1 limit 1`,
      [digest],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const pkg = await readArchive(row.archive);
    if (pkg.digest !== digest) throw damaged(`the package of ${this.#plugin} is another`);
    return pkg;
  }

  async secrets(): Promise<(SealedValue & { readonly name: string })[]> {
    const { rows } = await this.session.query<SealedValue & { name: string }>(
      `select name, sealed, key_id from ${staged('plugin_secrets')} where plugin_name = $1 limit 1000`,
      [this.#plugin],
    );
    return rows;
  }

  /** What a file of the plugin has under that key; null when none has. */
  async file(blob: string): Promise<StagedFile | null> {
    const { rows } = await this.session.query<StagedFile>(
      `select blob, size, sha256 from ${staged('plugin_files')} where plugin_name = $1 and blob = $2 limit 1`,
      [this.#plugin, blob],
    );
    return rows[0] ?? null;
  }

  async emptyFiles(): Promise<StagedFile[]> {
    const { rows } = await this.session.query<StagedFile>(
      `select distinct blob, size, sha256 from ${staged('plugin_files')} where plugin_name = $1 and size = 0`,
      [this.#plugin],
    );
    return rows;
  }

  /**
   * Takes keys, values and files into a restore point, in one transaction.
   *
   * @param blobs new keys of the contents by those of the backup
   * @throws CodedError `backup_damaged`, `restore_failed`
   */
  async fillPoint(point: number, blobs: ReadonlyMap<string, string>): Promise<void> {
    const { session } = this;
    try {
      await session.query('begin');
      await this.#checkFiles();
      await this.#checkStorage();
      // Versions of this instance: one of another may come again here, or be the last that there is.
      await session.query(
        `insert into restore_point_storage (point, key, value, version, expires_at)
         select $1, key, value, nextval('plugin_storage_version'), expires_at from ${staged('plugin_storage')}
         where plugin_name = $2 and (expires_at is null or expires_at > now())`,
        [point, this.#plugin],
      );
      await this.#fillFiles(point, blobs);
      await session.query('commit');
    } catch (error) {
      await session.query('rollback');
      if (error instanceof CodedError) throw error;
      throw new CodedError('restore_failed', `What ${this.#plugin} stored cannot be restored: ${reasonOf(error)}`);
    }
  }

  async #fillFiles(point: number, blobs: ReadonlyMap<string, string>): Promise<void> {
    // Of several files with one content all have to say the same of it: one of them was compared with it.
    const { rowCount } = await this.session.query(
      `insert into restore_point_files (point, path, blob, size, sha256, content_type, metadata, created_at, updated_at)
       select $1, f.path, m.new, f.size, f.sha256, f.content_type, f.metadata, f.created_at, f.updated_at
       from ${staged('plugin_files')} f join unnest($3::text[], $4::text[]) as m(old, new) on m.old = f.blob
       where f.plugin_name = $2 and not exists (select from ${staged('plugin_files')} o
         where o.plugin_name = $2 and o.blob = f.blob and (o.size, o.sha256) <> (f.size, f.sha256))`,
      [point, this.#plugin, [...blobs.keys()], [...blobs.values()]],
    );
    const { rows } = await this.session.query<{ files: number }>(
      `select count(*) as files from ${staged('plugin_files')} where plugin_name = $1`,
      [this.#plugin],
    );
    if (rowCount !== rows[0]?.files) throw damaged('the contents of some files are missing');
  }

  /** What the rooms check when a plugin writes it. */
  async #checkStorage(): Promise<void> {
    const { rows } = await this.session.query(
      `select from ${staged('plugin_storage')} where plugin_name = $1 and not (octet_length(key) between 1 and $2
         and octet_length(key) + octet_length(value::text) <= $3) limit 1`,
      [this.#plugin, STORAGE_LIMITS.keyBytes, STORED_BYTES],
    );
    if (rows.length > 0) throw damaged('it has a key or a value that is larger than any that is stored');
  }

  async #checkFiles(): Promise<void> {
    await this.session.query(
      `declare restored_files no scroll cursor for select path, sha256, content_type, metadata
       from ${staged('plugin_files')} where plugin_name = ${pg.escapeLiteral(this.#plugin)}`,
    );
    for (;;) {
      const { rows } = await this.session.query<Static<typeof File>>(`fetch ${FETCH} from restored_files`);
      for (const row of rows) {
        if (!Value.Check(File, row)) throw damaged('it has a file of which it says what cannot be');
        try {
          checkPath(row.path);
          checkMetadata(row.metadata);
        } catch (error) {
          throw damaged(`it has a file that no plugin can have: ${reasonOf(error)}`);
        }
      }
      if (rows.length < FETCH) break;
    }
    await this.session.query('close restored_files');
  }
}

function staged(table: string): string {
  return `restored_${table}`;
}
