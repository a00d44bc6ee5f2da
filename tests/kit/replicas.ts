import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DbSocket } from '../../src/db/client.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';
import { type RunningCore, type StartOptions, startCore, urlOf } from './start-core.ts';

export interface Replicas extends AsyncDisposable {
  readonly cores: readonly [RunningCore, RunningCore, RunningCore];
  readonly database: TestDatabase;
}

/**
 * Three cores on one database, with one secret key and one folder of files.
 *
 * @param pluginDirs folders that only the first watches
 */
export async function startReplicas(pluginDirs: readonly string[] = []): Promise<Replicas> {
  const database = await testDatabase();
  const files = await mkdtemp(join(tmpdir(), 'streamspace-files-'));
  const shared = {
    DATABASE_URL: urlOf(database.address as DbSocket),
    STREAMSPACE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    STREAMSPACE_FILES_DIR: files,
  };
  const cores: RunningCore[] = [];
  const start = async (name: string, more: Partial<StartOptions> = {}): Promise<RunningCore> => {
    const core = await startCore({ ...more, env: { ...shared, STREAMSPACE_REPLICA_ADDRESS: name } });
    cores.push(core);
    return core;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(cores.map((core) => core.stop()));
    await database.drop();
    await rm(files, { recursive: true, force: true });
  };
  try {
    // The first makes the tables and the admin.
    const one = await start('one', { pluginDirs: [...pluginDirs] });
    const [two, three] = await Promise.all([start('two'), start('three')]);
    return { cores: [one, two, three], database, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
