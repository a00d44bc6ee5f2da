import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { ArchiveWriter } from '../../src/backup/archive-writer.ts';
import { assertDatabaseRestored, assertRestored, RestoreUnfinished } from '../../src/backup/marker.ts';
import { type RestoreInstanceOptions, restoreInstance } from '../../src/backup/restore-instance.ts';
import { writeBackup } from '../../src/backup/write.ts';
import { openDatabases } from '../../src/databases/open.ts';
import { closeDb, createDb, type Db, type DbSocket } from '../../src/db/client.ts';
import { createSql } from '../../src/db/sql.ts';
import { createBackends } from '../../src/files/backends.ts';
import { createLocalBackend } from '../../src/files/local-backend.ts';
import { createLog } from '../../src/log.ts';
import { keySource } from '../../src/secrets/key-source.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';
import { createVault } from '../../src/secrets/vault.ts';
import { tempFolder } from '../kit/plugin.ts';
import { emptyDatabase, type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { archiveOf, HEAD, refusal } from './archives.ts';

// A whole instance without a host: what the commands and the routes are made of, into a database that is not the embedded one.

setDefaultTimeout(60_000);

const log = createLog('silent');
const DIGEST = 'd'.repeat(64);
const BLOB = 'ab'.repeat(16);
const CONTENT = Buffer.from('the content of a file'.repeat(1_000));

let folder: AsyncDisposable & { readonly path: string };
let file: string;
let keyFolder: string;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  folder = await tempFolder();
  file = join(folder.path, 'all.tar.gz');
  keyFolder = join(folder.path, 'source');
  await makeBackup();
});
afterAll(async () => {
  for (const database of databases) await database.drop();
  await folder?.[Symbol.asyncDispose]();
});

const keyConfig = (dataDir: string) => ({ dataDir, secretKey: null, secretKeyPrevious: null });
const open = (db: Db, address: TestDatabase['address'], dataDir: string) =>
  openKeys({ db, log, source: keySource(keyConfig(dataDir)) }).then((keys) =>
    openDatabases({
      ...{ db, address, log, keys, isEmbedded: false },
      quotaOf: () => Number.POSITIVE_INFINITY,
      databaseOf: () => null,
      onRefused: () => undefined,
    }).then((plugins) => ({ keys, plugins })),
  );

/** An instance with a bit of everything, and a backup of it. */
async function makeBackup(): Promise<void> {
  const database = await testDatabase();
  databases.push(database);
  const { db, address } = database;
  await mkdir(keyFolder);
  const { keys, plugins } = await open(db, address, keyFolder);
  await sql`insert into users (email, name, password_hash, role) values ('ada@example.com', 'Ada', 'hash', 'admin')`.execute(
    db,
  );
  await sql`insert into auth_sessions (token_hash, user_id, expires_at)
    select decode(repeat('00', 32), 'hex'), id, now() + interval '1 day' from users`.execute(db);
  await sql`insert into packages (digest, archive, size_bytes) values (${DIGEST}, '\\x00ff', 2)`.execute(db);
  await sql`insert into installed_plugins (name, version, source, package_digest, grants, config)
    values ('crm', '1.2.3', 'upload', ${DIGEST}, '{database,"odd, \\"one\\""}', '{"a": "tab\\tand\\nline"}')`.execute(
    db,
  );
  await sql`insert into events (id, name, data, source) values (gen_random_uuid(), 'user.created', '{}', 'core')`.execute(
    db,
  );
  await sql`insert into deliveries (event_id, plugin_name, claimed_by) select id, 'crm', gen_random_uuid() from events`.execute(
    db,
  );
  await sql`insert into plugin_storage_usage (plugin_name, max_bytes, max_keys) values ('crm', 1000, 10)`.execute(db);
  await sql`insert into plugin_storage (plugin_name, key, value) values ('crm', 'a', '1'), ('crm', 'b', '[null, "x"]')`.execute(
    db,
  );
  const vault = createVault({ db, keys });
  await db.transaction().execute((trx) => vault.put('crm', { token: 'a secret' }, trx));
  const local = createLocalBackend(join(keyFolder, 'files'));
  await local.put(BLOB, new Blob([CONTENT]).stream(), { size: CONTENT.length, signal: new AbortController().signal });
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  await sql`insert into plugin_files_usage (plugin_name, max_bytes, max_files) values ('crm', 1000000, 10)`.execute(db);
  await sql`insert into plugin_blobs (key, plugin_name, backend, bytes, state) values (${BLOB}, 'crm', 'local', ${CONTENT.length}, 'kept')`.execute(
    db,
  );
  await sql`insert into plugin_files (plugin_name, path, blob, size, sha256, content_type)
    values ('crm', 'a.txt', ${BLOB}, ${CONTENT.length}, ${sha256}, 'text/plain'),
      ('crm', 'copy.txt', ${BLOB}, ${CONTENT.length}, ${sha256}, 'text/plain')`.execute(db);
  const staged = await plugins.stage('crm');
  const session = await plugins.session('crm', staged.database);
  await session.query(`create table people (id serial primary key, name text unique);
    insert into people (name) select 'person ' || n from generate_series(1, 50) as n`);
  await session.end();
  await db.transaction().execute((trx) => staged.commit(trx));
  await staged.settle();

  const archive = new ArchiveWriter();
  const backends = createBackends({ chosen: 'local', local, ofPlugin: () => local });
  const [chunks] = await Promise.all([
    Array.fromAsync(archive.stream()),
    writeBackup({ db, address, log, databases: plugins, backends }, { plugin: null, without: [] }, archive),
  ]);
  await writeFile(file, Buffer.concat(chunks));
  await plugins.stop();
}

/** An empty database as a URL, and an empty data folder. */
async function target(
  name: string,
  withKey = true,
): Promise<{ readonly database: TestDatabase; readonly options: RestoreInstanceOptions }> {
  const database = await emptyDatabase();
  databases.push(database);
  const { socketDir, port, user, password, database: of } = database.address as DbSocket;
  const databaseUrl = `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${of}?host=${encodeURIComponent(socketDir)}`;
  const dataDir = join(folder.path, name);
  await mkdir(dataDir);
  if (withKey) await copyFile(join(keyFolder, 'secret.key'), join(dataDir, 'secret.key'));
  return {
    database,
    options: {
      config: { ...keyConfig(dataDir), databaseUrl },
      ...{ file, replace: false, withoutSecrets: false, log },
      onProgress: () => undefined,
    },
  };
}

async function inside<T>({ address }: TestDatabase, work: (db: Db) => Promise<T>): Promise<T> {
  const db = createDb({ address, max: 2, log });
  try {
    return await work(db);
  } finally {
    await closeDb(db);
  }
}

const count = async (db: Db, table: string): Promise<number> =>
  Number((await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(db)).rows[0]?.count);

const pluginDatabases = (database: TestDatabase): Promise<string[]> =>
  inside(database, async (db) => {
    const { rows } = await sql<{ name: string }>`
      select d.datname as name from pg_database d, (select oid from pg_database where datname = current_database()) me
      where d.datname like 'ss\\_%'`.execute(db);
    const oid = (
      await sql<{ oid: number }>`select oid::int8 as oid from pg_database where datname = current_database()`.execute(
        db,
      )
    ).rows[0]?.oid;
    return rows.map(({ name }) => name).filter((name) => name.startsWith(`ss_${Number(oid).toString(36)}_`));
  });

test('everything is there again: rows, sequences, secrets, the database of a plugin, files', async () => {
  const { database, options } = await target('first');
  const phases = new Set<string>();
  await restoreInstance({
    ...options,
    onProgress: (phase, _, { section }) => phases.add(`${phase} ${section.split('/')[0]}`),
  });
  expect([...phases].sort()).toEqual([
    'restore blobs',
    'restore core',
    'restore plugins',
    'verify blobs',
    'verify core',
    'verify plugins',
  ]);
  await inside(database, async (db) => {
    expect(await count(db, 'users')).toBe(1);
    expect(await count(db, 'auth_sessions')).toBe(0);
    expect(await db.selectFrom('installed_plugins').selectAll().executeTakeFirstOrThrow()).toMatchObject({
      grants: ['database', 'odd, "one"'],
      config: { a: 'tab\tand\nline' },
    });
    expect((await db.selectFrom('deliveries').selectAll().executeTakeFirstOrThrow()).claimed_by).toBeNull();
    expect(
      await db.selectFrom('plugin_storage_usage').select(['bytes', 'keys']).executeTakeFirstOrThrow(),
    ).toMatchObject({ keys: 2 });
    expect(await db.selectFrom('plugin_blobs').selectAll().executeTakeFirstOrThrow()).toMatchObject({
      names: 2,
      state: 'kept',
    });
    // The triggers are on again, and the sequence goes on where it was.
    await sql`insert into plugin_storage (plugin_name, key, value) values ('crm', 'c', '1')`.execute(db);
    const versions = await db.selectFrom('plugin_storage').select('version').orderBy('key').execute();
    expect(new Set(versions.map(({ version }) => version)).size).toBe(3);
    expect(await db.selectFrom('plugin_storage_usage').select('keys').executeTakeFirstOrThrow()).toEqual({ keys: 3 });

    const { keys, plugins } = await open(db, database.address, options.config.dataDir);
    expect(await createVault({ db, keys }).get('crm', 'token')).toBe('a secret');
    const session = await plugins.session('crm');
    const { rows } = await session.query(
      `insert into people (name) values ('next') returning id, (select count(*) from people) as n`,
    );
    expect(rows).toEqual([{ id: 51, n: '50' }]);
    await session.end();
    await plugins.stop();
  });
  const stored = await readFile(join(options.config.dataDir, 'files', BLOB.slice(0, 2), BLOB));
  expect(stored.equals(CONTENT)).toBe(true);
  await assertDatabaseRestored({ url: options.config.databaseUrl ?? '' }, log);
  assertRestored(options.config.dataDir);
});

test('what is there stays, unless it may go; then nothing of it is left', async () => {
  const { database, options } = await target('second');
  await restoreInstance(options);
  const [first] = await pluginDatabases(database);
  expect(await refusal(restoreInstance(options))).toMatchObject({ code: 'restore_not_empty' });
  await restoreInstance({ ...options, replace: true });
  const after = await pluginDatabases(database);
  expect(after).toHaveLength(1);
  expect(after).not.toContain(first);

  const { database: other, options: others } = await target('others');
  const foreign = createSql({ address: other.address, max: 1, log });
  await foreign.query('create table theirs (id int)');
  expect(await refusal(restoreInstance({ ...others, replace: true }))).toMatchObject({ code: 'restore_not_empty' });
  await foreign.query('drop table theirs');
  // A connection of a core that runs.
  await foreign.query('select 1');
  expect((await refusal(restoreInstance(others))).message).toContain('A core works on the database');
  await foreign.end();
});

test('without the key it is refused before anything is touched, or done without the secrets', async () => {
  const { database, options } = await target('keyless', false);
  const error = await refusal(restoreInstance(options));
  expect(error).toMatchObject({ code: 'backup_key_differs' });
  expect(existsSync(join(options.config.dataDir, 'restoring'))).toBe(false);
  await restoreInstance({ ...options, withoutSecrets: true });
  await inside(database, async (db) => expect(await count(db, 'plugin_secrets')).toBe(0));
});

test('a restore that dies on its way is noticed by the next start, and by nothing but another restore undone', async () => {
  const { options } = await target('dying');
  const { dataDir, databaseUrl } = options.config;
  const died = new Error('the power went');
  const dying: RestoreInstanceOptions = {
    ...options,
    onProgress: (phase, _, { section }) => {
      if (phase === 'restore' && section.startsWith('plugins/')) throw died;
    },
  };
  expect(await refusal(restoreInstance(dying))).toBe(died);
  expect(() => assertRestored(dataDir)).toThrow(RestoreUnfinished);
  const noted = await refusal(assertDatabaseRestored({ url: databaseUrl ?? '' }, log));
  expect(noted).toBeInstanceOf(RestoreUnfinished);
  expect(noted.message).toContain(`restore of ${file}`);
  await restoreInstance(options);
  assertRestored(dataDir);
  await assertDatabaseRestored({ url: databaseUrl ?? '' }, log);
});

test('a damaged file, and one of a newer version, change nothing', async () => {
  const { database, options } = await target('damaged');
  const cut = join(folder.path, 'cut.tar.gz');
  const whole = await readFile(file);
  await writeFile(cut, whole.subarray(0, whole.length - 100));
  expect(await refusal(restoreInstance({ ...options, file: cut }))).toMatchObject({ code: 'backup_damaged' });
  const newer = join(folder.path, 'newer.tar.gz');
  const head = { ...HEAD, scope: 'instance' as const, migrations: [{ name: '9999_later.sql', digest: 'x' }] };
  await writeFile(newer, await archiveOf((archive) => archive.finish(), head));
  const refused = await refusal(restoreInstance({ ...options, file: newer }));
  expect(refused).toMatchObject({ code: 'backup_incompatible' });
  expect(refused.message).toContain('9999_later.sql');
  expect(await pluginDatabases(database)).toEqual([]);
  expect(existsSync(join(options.config.dataDir, 'restoring'))).toBe(false);
});
