import type { Rows } from '../../sandbox-apis/database/service.ts';
import type { PluginDatabases } from '../../src/databases/databases.ts';
import { type DatabasesView, openDatabases } from '../../src/databases/open.ts';
import type { DbAddress } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from './caller.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';

export interface TestDatabases extends AsyncDisposable {
  readonly core: TestDatabase;
  readonly databases: PluginDatabases & DatabasesView;
  /** Gives a plugin its first database, or another copy of it. @returns its name */
  provide(plugin: string): Promise<string>;
  /** Runs one statement as an isolate of the plugin. */
  run(plugin: string, sql: string, params?: readonly (string | null)[]): Promise<Rows>;
}

export interface TestDatabasesOptions {
  /** The core's own database on the shared server; a new one by default. */
  readonly core?: TestDatabase;
  /** As whom the core works there. */
  readonly address?: DbAddress;
  readonly quotaOf?: (plugin: string) => number;
  readonly databaseOf?: (isolate: number) => string | null;
  /** Answers the key that passwords are derived from, as text. */
  readonly key?: () => string;
}

/** The databases of plugins on the shared test server, without a core around them. */
export async function testDatabases(options: TestDatabasesOptions = {}): Promise<TestDatabases> {
  const core = options.core ?? (await testDatabase());
  const { key = () => 'a key', quotaOf = () => 1024 ** 3, databaseOf = () => null } = options;
  const databases = await openDatabases({
    db: core.db,
    address: options.address ?? core.address,
    log: createLog('silent'),
    keys: {
      derive: (use) => new Bun.CryptoHasher('sha256').update(`${key()} ${use}`).digest(),
      refresh: async () => undefined,
    },
    isEmbedded: true,
    quotaOf,
    databaseOf,
    onRefused: () => undefined,
  });
  return {
    core,
    databases,
    async provide(plugin) {
      const staged = await databases.stage(plugin);
      await core.db.transaction().execute((trx) => staged.commit(trx));
      await staged.settle();
      return staged.database;
    },
    run: (plugin, sql, params = []) => databases.run(testCaller({ plugin }).caller, { sql, params }, null),
    async [Symbol.asyncDispose]() {
      await core.db.deleteFrom('plugin_databases').execute();
      await core.db.deleteFrom('restore_points').execute();
      await databases.sweep();
      await databases.stop();
      if (options.core === undefined) await core.drop();
    },
  };
}
