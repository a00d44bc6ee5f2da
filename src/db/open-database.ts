import { assertDatabaseRestored } from '../backup/marker.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { DbAddress } from './client.ts';
import { startEmbedded } from './embedded.ts';

export interface OpenDatabase {
  readonly config: Pick<Config, 'databaseUrl' | 'dataDir'>;
  readonly log: Log;
  /** The embedded server ended by itself. */
  readonly onFatal: (reason: string) => void;
}

/** Where the core's database is: the given one, or the embedded server, which is started and, by `undo`, stopped. */
export async function openDatabase(
  { config, log, onFatal }: OpenDatabase,
  undo: (() => Promise<void> | void)[],
): Promise<DbAddress> {
  if (config.databaseUrl !== null) {
    const address = { url: config.databaseUrl };
    await assertDatabaseRestored(address, log);
    return address;
  }
  const embedded = await startEmbedded({ dataDir: config.dataDir, log });
  let stopping = false;
  undo.push(() => {
    stopping = true;
    return embedded.stop();
  });
  void embedded.exited.then(() => {
    if (!stopping) onFatal('the database ended');
  });
  return embedded.address;
}
