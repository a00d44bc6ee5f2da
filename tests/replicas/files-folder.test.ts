import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { createLog } from '../../src/log.ts';
import { assertSharedFiles, folderId } from '../../src/replicas/files-folder.ts';
import { ReplicaRefused } from '../../src/replicas/refused.ts';
import { assertSameKey } from '../../src/replicas/same-key.ts';
import { sealingKey } from '../../src/secrets/envelope.ts';
import { addKeyRow } from '../../src/secrets/key-row.ts';
import type { KeySource } from '../../src/secrets/key-source.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let root: string;

beforeAll(async () => {
  database = await testDatabase();
  root = await mkdtemp(join(tmpdir(), 'streamspace-folder-'));
});
afterAll(async () => {
  await database?.drop();
  await rm(root, { recursive: true, force: true });
});

test('a folder has one name, whoever asks first', async () => {
  const folder = join(root, 'a');
  const id = folderId(folder);
  expect(folderId(folder)).toBe(id);
  expect(folderId(join(root, 'b'))).not.toBe(id);
  expect(await readdir(folder)).toEqual(['.streamspace-folder']);
  await writeFile(join(folder, '.streamspace-folder'), 'something else');
  expect(() => folderId(folder)).toThrow('is not what StreamSpace wrote');
});

test('cores that live and keep files in different folders are refused once there are files', async () => {
  const { db } = database;
  const log = createLog('silent');
  const look = (id: string) => assertSharedFiles(db, log, { id, path: '/files', used: true });
  await sql`insert into replicas (id, version, files_folder) values (gen_random_uuid(), '1', 'one')`.execute(db);
  await look('one');
  await look('two');
  await sql`insert into plugin_blobs (key, plugin_name, backend) values ('k', 'p', 'local')`.execute(db);
  await look('one');
  const refused = await look('two').catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ReplicaRefused);
  expect(String(refused)).toContain('STREAMSPACE_FILES_DIR');
  // Who is gone has no say.
  await sql`update replicas set seen_at = now() - interval '1 minute'`.execute(db);
  await look('two');
});

test('a core with a key of its own does not start beside others, and may when they are gone', async () => {
  const { db } = database;
  const key = (fill: number) => Buffer.alloc(32, fill);
  const source = (...keys: Uint8Array[]) => ({ kind: 'file', read: () => keys }) as unknown as KeySource;
  const among = (others: string[]) => ({ others: async () => others });
  await assertSameKey(db, source(key(1)), among(['other']));
  await addKeyRow(db, sealingKey(key(1)).id);
  await assertSameKey(db, source(key(1)), among(['other']));
  await assertSameKey(db, source(key(2)), among([]));
  for (const odd of [source(key(2)), source()]) {
    expect(await assertSameKey(db, odd, among(['other'])).catch((error: unknown) => error)).toBeInstanceOf(
      ReplicaRefused,
    );
  }
});
