import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/log.ts';
import { type FileSource, keySource } from '../../src/secrets/key-source.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';
import { createVault } from '../../src/secrets/vault.ts';
import { testDatabase } from '../kit/postgres.ts';
import { seeded } from '../kit/seeded.ts';
import type { RotationOrder } from './rotation-script.ts';

// A rotation that is killed at any moment leaves values that open, under the key of before or the next one, never both.

const root = mkdtempSync(join(tmpdir(), 'streamspace-rotation-kill-'));
const log = createLog('fatal');
const { db, address, drop } = await testDatabase();
afterAll(async () => {
  await drop();
  rmSync(root, { recursive: true, force: true });
});

const dataDir = join(root, 'data');
const source = () => keySource({ dataDir, secretKey: null, secretKeyPrevious: null }) as FileSource;
const SECRETS = Object.fromEntries(Array.from({ length: 450 }, (_, i) => [`n${i}`, `secret ${i}`]));

function rotateAs(order: Partial<RotationOrder>): Bun.Subprocess<'ignore', 'pipe', 'inherit'> {
  const argument = JSON.stringify({ address, dataDir, dieAt: 0, ...order });
  return Bun.spawn([process.execPath, join(import.meta.dir, 'rotation-script.ts'), argument], {
    stdout: 'pipe',
    stderr: 'inherit',
    stdin: 'ignore',
  });
}

/** Starts as the core does, and looks at everything. @returns id of the key */
async function survey(): Promise<string> {
  const ring = await openKeys({ db, log, source: source() });
  expect(await createVault({ db, keys: ring }).getAll('plugin')).toEqual(SECRETS);
  const rows = await db.selectFrom('plugin_secrets').select('key_id').distinct().execute();
  expect(rows.map(({ key_id }) => key_id)).toEqual([ring.id]);
  expect(readdirSync(dataDir)).toEqual(['secret.key']);
  return ring.id;
}

test('at each of its steps', async () => {
  await createVault({ db, keys: await openKeys({ db, log, source: source() }) }).put('plugin', SECRETS);
  let before = await survey();
  const outcomes: string[] = [];
  for (let dieAt = 1; ; dieAt += 1) {
    const child = rotateAs({ dieAt });
    const code = await child.exited;
    const id = await survey();
    if (code === 0) {
      const told = JSON.parse(await new Response(child.stdout).text());
      expect(told).toEqual({ steps: dieAt - 1, keyId: id });
      break;
    }
    expect(child.signalCode).toBe('SIGKILL');
    outcomes.push(id === before ? 'undone' : 'finished');
    before = id;
  }
  // Around the making of the next key, after each batch, and around its taking over.
  expect(outcomes).toEqual(['undone', 'undone', 'undone', 'undone', 'undone', 'finished', 'finished']);
});

test('at any moment', async () => {
  const random = seeded(5);
  const ids = new Set([await survey()]);
  const begun = performance.now();
  await rotateAs({}).exited;
  const wholeMs = performance.now() - begun;
  ids.add(await survey());
  for (let round = 0; round < 6; round += 1) {
    const child = rotateAs({});
    // The second half of its life: before that it only starts.
    await Bun.sleep(wholeMs * (0.5 + random.below(500) / 1_000));
    child.kill('SIGKILL');
    await child.exited;
    ids.add(await survey());
  }
  expect(ids.size).toBeGreaterThan(1);
});
