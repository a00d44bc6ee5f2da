import { afterAll, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { createLog } from '../../src/log.ts';
import { type FileSource, keySource } from '../../src/secrets/key-source.ts';
import type { Keyring } from '../../src/secrets/keys.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';
import { createRotation, type Rotation } from '../../src/secrets/rotation.ts';
import { SEALED_TABLES } from '../../src/secrets/sealed-tables.ts';
import { createVault, type Vault } from '../../src/secrets/vault.ts';
import { environmentKeys, keyOf, openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

const root = mkdtempSync(join(tmpdir(), 'streamspace-rotation-'));
const log = createLog('fatal');
const USER = crypto.randomUUID();
const databases: TestDatabase[] = [];
let database: TestDatabase;
let source: FileSource;
let ring: Keyring;
let rotation: Rotation;
let vault: Vault;
const progress: number[] = [];
beforeEach(async () => {
  database = await testDatabase();
  databases.push(database);
  const { db } = database;
  source = keySource({
    dataDir: join(root, String(databases.length)),
    secretKey: null,
    secretKeyPrevious: null,
  }) as FileSource;
  ring = await openKeys({ db, log, source });
  progress.length = 0;
  rotation = createRotation({ db, log, ring, source, onProgress: (done) => progress.push(done) });
  vault = createVault({ db, keys: ring });
});
afterAll(async () => {
  await Promise.all(databases.map((one) => one.drop()));
  rmSync(root, { recursive: true, force: true });
});

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, `secret ${i}`]));
const keyIds = async () => {
  const rows = await database.db.selectFrom('plugin_secrets').select('key_id').distinct().execute();
  return rows.map(({ key_id }) => key_id);
};

test('everything is sealed with the new key, the old one opens nothing, and it is in the audit log', async () => {
  await vault.put('big', many(450));
  await vault.put('small', { token: 'x' });
  const before = ring.id;
  const signed = ring.derive('test').toString('hex');
  expect(await rotation.status()).toEqual({
    keyId: before,
    source: 'file',
    values: 451,
    rotatedAt: null,
    rotating: null,
  });

  const moved = await rotation.rotate(USER);

  expect(moved).toEqual({ keyId: ring.id, previousKeyId: before, values: 451 });
  expect(ring.id).not.toBe(before);
  expect(progress).toEqual([200, 400, 451]);
  expect(await keyIds()).toEqual([ring.id]);
  expect(await vault.getAll('big')).toEqual(many(450));
  expect(await vault.get('small', 'token')).toBe('x');
  expect(ring.derive('test').toString('hex')).not.toBe(signed);
  expect(source.files.readNext()).toBeNull();
  // What the next start finds.
  const again = await openKeys({ db: database.db, log, source });
  expect(again.id).toBe(ring.id);
  expect(again.has(before)).toBe(false);
  expect(await createVault({ db: database.db, keys: again }).getAll('big')).toEqual(many(450));
  const { rotatedAt, ...status } = await rotation.status();
  expect(status).toEqual({ keyId: ring.id, source: 'file', values: 451, rotating: null });
  expect(Date.now() - Date.parse(rotatedAt ?? '')).toBeLessThan(60_000);
  expect(await database.db.selectFrom('audit_log').select(['actor', 'action', 'target', 'detail']).execute()).toEqual([
    { actor: USER, action: 'secrets.rotated', target: ring.id, detail: { previousKeyId: before, values: 451 } },
  ]);
});

test('it can be done again and again, and with nothing to seal', async () => {
  const ids = [ring.id];
  for (let i = 0; i < 3; i += 1) ids.push((await rotation.rotate(USER)).keyId);
  expect(new Set(ids).size).toBe(4);
  const { retired } = await database.db.selectFrom('secret_key').select('retired').executeTakeFirstOrThrow();
  expect(retired).toEqual(ids.slice(0, 3));
});

test('those who write meanwhile are waited for, and what they write is sealed with the right key', async () => {
  await vault.put('a', { token: 'old' });
  const go = Promise.withResolvers<void>();
  const wrote = Promise.withResolvers<void>();
  const slow = database.db.transaction().execute(async (trx) => {
    await vault.put('a', { token: 'new' }, trx);
    wrote.resolve();
    await go.promise;
  });
  await wrote.promise;
  const rotating = rotation.rotate(USER);
  await expect(rotation.rotate(USER)).rejects.toMatchObject({ code: 'conflict' });
  go.resolve();
  await Promise.all([slow, rotating]);
  expect(await vault.getAll('a')).toEqual({ token: 'new' });
  expect(await keyIds()).toEqual([ring.id]);
});

test('thirty writers beside five rotations: every value opens, with the key of the moment', async () => {
  const writers = Array.from({ length: 30 }, async (_, i) => {
    for (let round = 0; round < 4; round += 1) await vault.put(`plugin-${i}`, { token: `value ${i} ${round}` });
  });
  const rotations = (async () => {
    for (let i = 0; i < 5; i += 1) await rotation.rotate(USER);
  })();
  await Promise.all([...writers, rotations]);
  expect(await keyIds()).toEqual([ring.id]);
  for (let i = 0; i < 30; i += 1) expect(await vault.get(`plugin-${i}`, 'token')).toBe(`value ${i} 3`);
});

test('a value that does not open stops it, and everything is as it was', async () => {
  await vault.put('a', { token: 'good' });
  await vault.put('b', { token: 'bad' });
  await sql`update plugin_secrets set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where plugin_name = 'b'`.execute(
    database.db,
  );
  const before = ring.id;
  await expect(rotation.rotate(USER)).rejects.toMatchObject({
    code: 'secrets_unreadable',
    message: expect.stringContaining('The secret "token" of plugin "b" is damaged'),
  });
  expect(ring.id).toBe(before);
  expect(await keyIds()).toEqual([before]);
  expect(source.files.readNext()).toBeNull();
  expect(await vault.get('a', 'token')).toBe('good');
  expect((await rotation.status()).rotating).toBeNull();
});

test('a key of the environment is not changed here, and the error says how', async () => {
  const environment = environmentKeys(keyOf(7));
  const { db, drop } = await testDatabase();
  const keys = await openTestKeys(db, environment);
  const refused = createRotation({ db, log, ring: keys, source: environment }).rotate(USER);
  await expect(refused).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('STREAMSPACE_SECRET_KEY_PREVIOUS'),
  });
  await drop();
});

test('a process that has not heard of the rotation finds the new key by itself', async () => {
  await vault.put('a', { token: 'x' });
  const other = await openKeys({ db: database.db, log, source });
  const before = other.id;
  await rotation.rotate(USER);
  expect(other.id).toBe(before);
  const otherVault = createVault({ db: database.db, keys: other });
  expect(await otherVault.get('a', 'token')).toBe('x');
  await otherVault.put('a', { token: 'y' });
  expect(await vault.get('a', 'token')).toBe('y');
});

test('every table with a column of sealed values is in the registry', async () => {
  const { rows } = await sql<{ table_name: string }>`
    select table_name from information_schema.columns
    where table_schema = 'public' and (column_name = 'key_id' or column_name like '%sealed%') and table_name <> 'secret_key'
    group by table_name order by table_name`.execute(database.db);
  expect(SEALED_TABLES.map(({ table }) => table).sort()).toEqual(rows.map((row) => row.table_name));
});
