import { Gauge, type Registry } from 'prom-client';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';

export interface UsageDeps {
  readonly db: Db;
  readonly log: Log;
  /** Plugins that may have a database. */
  readonly plugins: () => readonly string[];
  /** Bytes of the plugin's database; 0 when it has none. */
  readonly databaseBytes: (plugin: string) => Promise<number>;
}

/** What plugins keep besides their storage (src/storage/storage-metrics.ts): files and databases. */
export function createUsageMetrics(registry: Registry, { db, log, plugins, databaseBytes }: UsageDeps): void {
  const registers = [registry];
  const labelNames = ['plugin'] as const;
  /** A database that does not answer leaves the values of before. */
  const quietly = async (what: string, read: () => Promise<void>): Promise<void> => {
    try {
      await read();
    } catch (error) {
      log.debug({ err: error }, `${what} of the plugins were not read`);
    }
  };
  const ofFiles = (column: 'bytes' | 'files', name: string, help: string) =>
    new Gauge({
      ...{ name, help, labelNames, registers },
      collect() {
        return quietly('the files', async () => {
          const rows = await db.selectFrom('plugin_files_usage').select(['plugin_name', column]).execute();
          this.reset();
          for (const row of rows) this.labels(row.plugin_name).set(Number(row[column]));
        });
      },
    });
  ofFiles('bytes', 'streamspace_plugin_files_bytes', 'Bytes of the files of the plugin');
  ofFiles('files', 'streamspace_plugin_files', 'Files of the plugin');
  new Gauge({
    ...{ labelNames, registers },
    name: 'streamspace_plugin_database_bytes',
    help: 'Size of the database of the plugin',
    collect() {
      return quietly('the databases', async () => {
        const sizes = await Promise.all(plugins().map(async (name) => [name, await databaseBytes(name)] as const));
        this.reset();
        for (const [name, bytes] of sizes) if (bytes > 0) this.labels(name).set(bytes);
      });
    },
  });
}
