import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Config } from '../config.ts';
import type { PluginDatabases } from '../databases/databases.ts';
import { openDatabases } from '../databases/open.ts';
import { closeDb, createDb, type Db, openSession } from '../db/client.ts';
import { lockDataDir } from '../db/data-lock.ts';
import { migrate } from '../db/migrate.ts';
import { createLocalBackend } from '../files/local-backend.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { sealingKey } from '../secrets/envelope.ts';
import { keySource } from '../secrets/key-source.ts';
import { openKeys } from '../secrets/open-keys.ts';
import { ArchiveReader } from './archive-reader.ts';
import { BlobLoad } from './blob-load.ts';
import { CoreLoad, migrationsOf } from './core-load.ts';
import { damaged, incompatible } from './failures.ts';
import type { BackupHead } from './head.ts';
import { PluginDataReader } from './plugin-data.ts';
import { type Passed, watched } from './progress.ts';
import { openTarget, type Target } from './restore-target.ts';
import { type Section, sections } from './sections.ts';
import { type Verified, verifyBackup } from './verify.ts';

export interface RestoreInstanceOptions {
  readonly config: Pick<Config, 'dataDir' | 'databaseUrl' | 'secretKey' | 'secretKeyPrevious'>;
  /** Path of the backup. */
  readonly file: string;
  /** Whether what is there may go. */
  readonly replace: boolean;
  /** Leaves the secrets out; then the key may be any. */
  readonly withoutSecrets: boolean;
  readonly log: Log;
  readonly onProgress: (phase: 'verify' | 'restore', head: BackupHead, passed: Passed) => void;
}

/**
 * Restores a whole instance, while no core runs. The file is read twice: to its end before anything is touched, then to
 * restore it.
 *
 * @throws DataLockError; CodedError `backup_damaged`, `backup_incompatible`, `backup_key_differs`, `restore_not_empty`,
 *   `restore_failed`: what was there before is still there then, unless the database is an external one
 */
export async function restoreInstance(options: RestoreInstanceOptions): Promise<Verified> {
  const { config, file, log } = options;
  await mkdir(config.dataDir, { recursive: true, mode: 0o711 });
  const lock = lockDataDir(config.dataDir);
  try {
    const verified = await verify(options);
    const migrations = await migrationsOf(verified.head);
    if (!options.withoutSecrets) checkKeys(config, verified.head);
    const note = `restore of ${file}, begun at ${new Date().toISOString()}`;
    const { replace } = options;
    const target = await openTarget({ ...config, replace, note, log }, verified.head.postgres);
    try {
      await fill(options, target, verified, migrations);
    } catch (error) {
      await target.abandon();
      throw error;
    }
    await target.finish();
    return verified;
  } finally {
    lock.release();
  }
}

async function verify({ file, onProgress }: RestoreInstanceOptions): Promise<Verified> {
  let head: BackupHead | null = null;
  const verified = await verifyBackup(createReadStream(file), {
    onHead: (found) => {
      head = found;
    },
    onPart: (passed) => {
      if (head !== null) onProgress('verify', head, passed);
    },
  });
  if (verified.head.scope === 'instance') return verified;
  const [plugin] = verified.head.plugins;
  throw incompatible(`The backup is of the plugin ${plugin?.name} alone: restore it with --plugin ${plugin?.name}`);
}

/** @throws CodedError `backup_key_differs` */
function checkKeys(config: RestoreInstanceOptions['config'], { keyIds }: BackupHead): void {
  const source = keySource(config);
  const here = new Set(source.read().map((key) => sealingKey(key).id));
  const missing = keyIds.filter((id) => !here.has(id));
  if (missing.length === 0) return;
  const where = source.kind === 'file' ? `${config.dataDir}/secret.key` : 'STREAMSPACE_SECRET_KEY';
  const found = here.size === 0 ? 'there is none' : `${where} is the key ${[...here].join(', ')}`;
  throw new CodedError(
    'backup_key_differs',
    `The secrets in the backup were sealed with the key ${missing.join(', ')}, and ${found}: put that key into ` +
      `${config.dataDir}/secret.key (mode 0600) or STREAMSPACE_SECRET_KEY, or restore with --without-secrets`,
    { keyIds: missing },
  );
}

async function fill(
  options: RestoreInstanceOptions,
  target: Target,
  verified: Verified,
  migrations: ReadonlySet<string>,
): Promise<void> {
  const { file, log, onProgress } = options;
  const { address } = target;
  const reader = await ArchiveReader.open(createReadStream(file));
  try {
    const parts = watched(reader.parts(), (passed) => onProgress('restore', reader.head, passed));
    const left = new Left(sections(parts));
    await left.advance();
    await migrate({ address, log, only: migrations });
    await fillCore(options, target, verified, left);
    // The rest of them, on the data.
    await migrate({ address, log });
    const db = createDb({ address, max: 4, log });
    try {
      await fillRest(options, target, verified, left, db);
    } finally {
      await closeDb(db);
    }
  } finally {
    await reader.close();
  }
}

/** The sections that were not restored yet. */
class Left {
  readonly #all: AsyncGenerator<Section>;
  /** The first of them; null at the end. */
  next: Section | null = null;

  constructor(all: AsyncGenerator<Section>) {
    this.#all = all;
  }

  async advance(): Promise<void> {
    const { done, value } = await this.#all.next();
    this.next = done ? null : value;
  }

  /** Hands on those whose names begin so. */
  async take(prefix: string, take: (section: Section) => Promise<void>): Promise<void> {
    while (this.next?.name.startsWith(prefix)) {
      await take(this.next);
      await this.advance();
    }
  }
}

async function fillCore(
  { log, withoutSecrets }: RestoreInstanceOptions,
  { address }: Target,
  { head, end }: Verified,
  left: Left,
): Promise<void> {
  const session = await openSession(address, log);
  try {
    const core = new CoreLoad(session, head, end);
    await core.begin();
    await left.take('core/', (section) => core.take(section));
    await core.end(withoutSecrets);
  } finally {
    await session.end();
  }
}

/** Makes the plugins' databases and files, by way of what the core itself makes them with. */
async function fillRest(
  { config, log, file }: RestoreInstanceOptions,
  { address, files, isEmbedded }: Target,
  { head, end }: Verified,
  left: Left,
  db: Db,
): Promise<void> {
  const keys = await openKeys({ db, log, source: keySource(config) });
  const databases = await openDatabases({
    ...{ db, address, log, keys, isEmbedded },
    quotaOf: () => Number.POSITIVE_INFINITY,
    databaseOf: () => null,
    onRefused: () => undefined,
  });
  try {
    const { rows } = await sql<{ major: number }>`
      select current_setting('server_version_num')::int / 10000 as major`.execute(db);
    const sameServer = rows[0]?.major === head.postgres;
    for (const { name, database } of head.plugins) {
      if (!database) continue;
      if (!left.next?.name.startsWith(`plugins/${name}/`)) throw damaged(`the database of ${name} is missing`);
      await fillPlugin({ databases, db, name, sameServer, rows: end.rows }, left);
    }
    const blobs = new BlobLoad(db, createLocalBackend(files));
    await left.take('blobs/', (section) => blobs.take(section));
    if (left.next !== null) throw damaged(`it has ${left.next.name}, which nothing asks for`);
    await blobs.finish();
    const detail = { file, madeAt: head.madeAt, version: head.version };
    await audit(db, { actorKind: 'system', actor: 'core', action: 'backup.restored', detail });
    // Of an external server: the databases of what was there before.
    await databases.sweep();
  } finally {
    await databases.stop();
  }
}

interface PluginFill {
  readonly databases: PluginDatabases;
  readonly db: Db;
  readonly name: string;
  readonly sameServer: boolean;
  /** How many there have to be, by section. */
  readonly rows: Readonly<Record<string, number>>;
}

async function fillPlugin({ databases, db, name, sameServer, rows }: PluginFill, left: Left): Promise<void> {
  const staged = await databases.stage(name);
  try {
    const session = await databases.session(name, staged.database, Number.POSITIVE_INFINITY);
    try {
      const data = new PluginDataReader(session, name);
      await left.take(`plugins/${name}/`, (section) => data.take(section));
      await data.finish(sameServer);
      data.checkRows(rows);
    } finally {
      await session.end();
    }
    await db.transaction().execute((trx) => staged.commit(trx));
  } catch (error) {
    await staged.abandon();
    throw error;
  }
  await staged.settle();
}
