import { sql } from 'kysely';
import type pg from 'pg';
import { version as productVersion } from '../../package.json' with { type: 'json' };
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginDatabases } from '../databases/databases.ts';
import { type Db, type DbAddress, openSession } from '../db/client.ts';
import type { Backends } from '../files/backends.ts';
import type { Log } from '../log.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { blobRows, holdBlobs, writeBlob } from './blobs.ts';
import { beginCoreRead, type CoreFacts, coreFacts, writeCore } from './core-data.ts';
import { reasonOf } from './failures.ts';
import { FORMAT } from './head.ts';
import { writePluginData } from './plugin-data.ts';

export interface WriteDeps {
  readonly db: Db;
  readonly address: DbAddress;
  readonly log: Log;
  readonly databases: Pick<PluginDatabases, 'session' | 'bytesOf'>;
  readonly backends: Pick<Backends, 'of'>;
}

export interface WriteRequest {
  /** One plugin; null for the whole instance. */
  readonly plugin: string | null;
  /** Plugins whose databases and files are left out. */
  readonly without: readonly string[];
}

/**
 * Writes a backup. The core's tables are one snapshot, and so is each plugin's database; what is between them is not.
 *
 * @throws CodedError `backup_unsupported`, `backup_failed`, `plugin_not_found`
 */
export async function writeBackup(deps: WriteDeps, request: WriteRequest, archive: ArchiveWriter): Promise<void> {
  const { address, log } = deps;
  const holder = await openSession(address, log);
  const session = await openSession(address, log);
  try {
    await holdBlobs(holder, request.plugin);
    await beginCoreRead(session);
    const facts = await coreFacts(session, request.plugin);
    if (request.plugin !== null && facts.plugins.length === 0) {
      throw new CodedError('plugin_not_found', `No plugin "${request.plugin}" is installed`);
    }
    const databases = facts.plugins.filter(
      ({ name, database }) => database !== null && !request.without.includes(name),
    );
    await writeHead(
      deps,
      request,
      facts,
      databases.map(({ name }) => name),
      archive,
    );
    await writeCore(session, facts, request, archive);
    for (const { name, database } of databases) {
      if (database !== null) await writeDatabase(deps, name, database, archive);
    }
    for await (const row of blobRows(session, request.plugin, request.without)) {
      await writeBlob(row, deps.backends.of(row.backend), archive);
    }
    await archive.finish();
  } finally {
    await Promise.all([end(session, log), end(holder, log)]);
  }
}

async function writeHead(
  { db, databases }: WriteDeps,
  { plugin }: WriteRequest,
  facts: CoreFacts,
  withDatabase: readonly string[],
  archive: ArchiveWriter,
): Promise<void> {
  let bytes = facts.bytes;
  for (const name of withDatabase) bytes += await databases.bytesOf(name);
  const { rows } = await sql<{ bytes: number }>`
    select coalesce(sum(bytes), 0)::bigint as bytes from plugin_files_usage
    where ${plugin}::text is null or plugin_name = ${plugin}`.execute(db);
  await archive.head({
    product: 'streamspace',
    format: FORMAT,
    version: productVersion,
    madeAt: new Date().toISOString(),
    scope: plugin === null ? 'instance' : 'plugin',
    postgres: facts.postgres,
    migrations: [...facts.migrations],
    tables: [...facts.tables],
    keyIds: [...facts.keyIds],
    plugins: facts.plugins.map(({ name, version }) => ({ name, version, database: withDatabase.includes(name) })),
    estimatedBytes: Math.round(bytes + (rows[0]?.bytes ?? 0)),
  });
}

/** An upgrade of the plugin has the right of way: it closes the database that is read here. */
async function writeDatabase({ databases, log }: WriteDeps, plugin: string, database: string, archive: ArchiveWriter) {
  let session: pg.Client | null = null;
  try {
    session = await databases.session(plugin, database);
    await writePluginData(session, plugin, archive);
  } catch (error) {
    if (error instanceof CodedError && error.code !== 'database_unavailable') {
      throw new CodedError(error.code, `${plugin}: ${error.message}`, { ...error.extra, plugin });
    }
    log.warn({ err: error, plugin }, 'the database of a plugin could not be backed up');
    throw new CodedError(
      'backup_failed',
      `The database of ${plugin} cannot be read to its end (${reasonOf(error)}); if the plugin was upgraded meanwhile, try again`,
      { plugin },
    );
  } finally {
    if (session !== null) await end(session, log);
  }
}

async function end(session: pg.Client, log: Log): Promise<void> {
  await session.end().catch((error: unknown) => log.debug({ err: error }, 'a session of a backup was lost'));
}
