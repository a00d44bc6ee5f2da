import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/log.ts';
import { sealingKey } from '../../src/secrets/envelope.ts';
import { createKeyFiles } from '../../src/secrets/key-files.ts';
import { type FileSource, keySource } from '../../src/secrets/key-source.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';
import { createVault } from '../../src/secrets/vault.ts';
import { environmentKeys, keyOf, openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

const root = mkdtempSync(join(tmpdir(), 'streamspace-open-keys-'));
const databases: TestDatabase[] = [];
let database: TestDatabase;
let dataDir = '';
beforeEach(async () => {
  database = await testDatabase();
  databases.push(database);
  dataDir = join(root, String(databases.length));
});
afterAll(async () => {
  await Promise.all(databases.map((one) => one.drop()));
  rmSync(root, { recursive: true, force: true });
});

const OLD = keyOf(1);
const NEW = keyOf(2);
const OTHER = keyOf(3);
const idOf = (key: Uint8Array) => sealingKey(key).id;
const files = () => keySource({ dataDir, secretKey: null, secretKeyPrevious: null }) as FileSource;
const start = (source: Parameters<typeof openTestKeys>[1] | FileSource) =>
  openKeys({ db: database.db, log: createLog('error'), source: source ?? environmentKeys(OLD) });

/** Starts with the key and seals something. */
async function sealWith(key: Uint8Array): Promise<void> {
  const vault = createVault({ db: database.db, keys: await start(environmentKeys(key)) });
  await vault.put('mailer', { password: 'sesame', token: 'open' });
}

async function secretsUnder(source: Parameters<typeof start>[0]): Promise<Record<string, string>> {
  return createVault({ db: database.db, keys: await start(source) }).getAll('mailer');
}

const keyRow = () => database.db.selectFrom('secret_key').selectAll().executeTakeFirstOrThrow();
const audited = async () => {
  const rows = await database.db.selectFrom('audit_log').select(['action', 'actor_kind', 'target', 'detail']).execute();
  return rows.filter(({ action }) => action.startsWith('secrets.'));
};

describe('a key of the environment', () => {
  test('the first start makes it the key', async () => {
    const ring = await start(environmentKeys(OLD));
    expect(ring.id).toBe(idOf(OLD));
    expect(await keyRow()).toMatchObject({ key_id: idOf(OLD), retired: [], rotated_at: null });
  });

  test('a new one with the old one beside it takes everything over, once', async () => {
    await sealWith(OLD);
    const sealed = { password: 'sesame', token: 'open' };
    expect(await secretsUnder(environmentKeys(NEW, OLD))).toEqual(sealed);
    expect(await secretsUnder(environmentKeys(NEW, OLD))).toEqual(sealed);
    expect(await secretsUnder(environmentKeys(NEW))).toEqual(sealed);
    expect(await keyRow()).toMatchObject({ key_id: idOf(NEW), retired: [idOf(OLD)] });
    expect(await audited()).toEqual([
      {
        action: 'secrets.rotated',
        actor_kind: 'system',
        target: idOf(NEW),
        detail: { previousKeyId: idOf(OLD), values: 2 },
      },
    ]);
  });

  test('replicas that know both keys go on while the others change over, whichever restarts', async () => {
    await sealWith(OLD);
    const early = await start(environmentKeys(OLD, NEW));
    await start(environmentKeys(NEW, OLD));
    // It has not heard of it yet: neither what it opens nor what it seals is any the worse.
    const vault = createVault({ db: database.db, keys: early });
    expect(await vault.get('mailer', 'token')).toBe('open');
    await vault.put('late', { token: 'from the late one' });
    const { key_id } = await database.db
      .selectFrom('plugin_secrets')
      .select('key_id')
      .where('plugin_name', '=', 'late')
      .executeTakeFirstOrThrow();
    expect(key_id).toBe(idOf(NEW));
    const signed = early.derive('test').toString('hex');
    await early.refresh(database.db);
    expect(early.id).toBe(idOf(NEW));
    expect(early.derive('test').toString('hex')).not.toBe(signed);
    // One that starts with the environment of before does not change it back.
    expect((await start(environmentKeys(OLD, NEW))).id).toBe(idOf(NEW));
    expect(await keyRow()).toMatchObject({ key_id: idOf(NEW) });
  });

  test.each([
    [
      'the new one alone',
      environmentKeys(NEW),
      'set it to that key, or STREAMSPACE_SECRET_KEY_PREVIOUS to change from that key',
    ],
    [
      'with a wrong one beside it',
      environmentKeys(NEW, OTHER),
      `and STREAMSPACE_SECRET_KEY_PREVIOUS the key ${idOf(OTHER)}, but the key ${idOf(OLD)} sealed the secrets of "mailer"`,
    ],
  ])('that cannot open what is there stops the start: %s', async (_, source, message) => {
    await sealWith(OLD);
    await expect(start(source)).rejects.toMatchObject({
      code: 'secrets_unreadable',
      message: expect.stringContaining(message),
    });
    await expect(start(source)).rejects.toMatchObject({ message: expect.stringContaining(idOf(NEW)) });
    expect(await secretsUnder(environmentKeys(OLD))).toEqual({ password: 'sesame', token: 'open' });
  });

  test('the error says where the key is, when it is left in the data folder', async () => {
    const source = files();
    await createVault({ db: database.db, keys: await start(source) }).put('mailer', { token: 'open' });
    const config = { dataDir, secretKey: NEW, secretKeyPrevious: null };
    await expect(start(keySource(config))).rejects.toThrow('it is in DATA_DIR/secret.key');
    const previous = source.files.read();
    expect(await secretsUnder(keySource({ ...config, secretKeyPrevious: previous }))).toEqual({ token: 'open' });
  });

  test('another one takes over where nothing is sealed', async () => {
    await start(environmentKeys(OLD));
    expect((await start(environmentKeys(NEW))).id).toBe(idOf(NEW));
    expect(await secretsUnder(environmentKeys(NEW))).toEqual({});
  });

  test('what an earlier key sealed and somebody brought back is sealed again, when that key is here', async () => {
    await sealWith(OLD);
    const before = await database.db.selectFrom('plugin_secrets').selectAll().execute();
    await start(environmentKeys(NEW, OLD));
    await database.db.deleteFrom('plugin_secrets').execute();
    await database.db.insertInto('plugin_secrets').values(before).execute();
    await expect(start(environmentKeys(NEW))).rejects.toMatchObject({ code: 'secrets_unreadable' });
    expect(await secretsUnder(environmentKeys(NEW, OLD))).toEqual({ password: 'sesame', token: 'open' });
    expect(await secretsUnder(environmentKeys(NEW))).toEqual({ password: 'sesame', token: 'open' });
    expect((await audited()).map(({ action }) => action)).toEqual(['secrets.rotated', 'secrets.resealed']);
  });
});

describe('a key of the data folder', () => {
  test('is made at the first start, and found at the next', async () => {
    const first = await start(files());
    expect((await start(files())).id).toBe(first.id);
  });

  test('that is lost or another is told, and no new one is made in its place', async () => {
    await createVault({ db: database.db, keys: await start(files()) }).put('mailer', { token: 'open' });
    const { path } = files().files;
    rmSync(path);
    await expect(start(files())).rejects.toThrow(
      /secret\.key is missing, but the key .* sealed the secrets of "mailer"/,
    );
    expect(files().files.read()).toBeNull();
    createKeyFiles(dataDir).make();
    await expect(start(files())).rejects.toThrow(/secret\.key is the key .*, but the key .* put that key there/);
  });

  test('that is lost where nothing is sealed is made anew', async () => {
    const first = await start(files());
    rmSync(files().files.path);
    expect((await start(files())).id).not.toBe(first.id);
  });

  test('a next key that the database does not know is dropped, and kept when it is no judge of it', async () => {
    const ring = await start(files());
    await createVault({ db: database.db, keys: ring }).put('mailer', { token: 'open' });
    files().files.makeNext();
    const elsewhere = await testDatabase();
    databases.push(elsewhere);
    await createVault({ db: elsewhere.db, keys: await openTestKeys(elsewhere.db) }).put('other', { token: 'x' });
    await expect(openKeys({ db: elsewhere.db, log: createLog('error'), source: files() })).rejects.toThrow();
    expect(files().files.readNext()).not.toBeNull();
    expect(await secretsUnder(files())).toEqual({ token: 'open' });
    expect(files().files.readNext()).toBeNull();
  });
});
