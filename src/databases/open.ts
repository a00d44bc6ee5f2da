import type pg from 'pg';
import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import type { Rows, Statement, TransactionOptions } from '../../sandbox-apis/database/service.ts';
import type { Db, DbAddress, Trx } from '../db/client.ts';
import { createSql, type Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import type { Keys } from '../secrets/keys.ts';
import { clientConfig } from './address.ts';
import { ArrayTypes } from './array-types.ts';
import { PluginConnection } from './connection.ts';
import type { PluginDatabases, StagedDatabase } from './databases.ts';
import { toFailure, unavailable } from './failures.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { MigrationFile } from './migrations.ts';
import { createNames } from './names.ts';
import { rolePassword } from './passwords.ts';
import { Pauses } from './pauses.ts';
import { Pointers } from './pointers.ts';
import { ConnectionPool } from './pool.ts';
import { Provisioner } from './provision.ts';
import type { RowStream } from './row-stream.ts';
import { readFacts, type ServerFacts } from './server.ts';
import { Sessions } from './sessions.ts';
import { SizeWatch } from './size-watch.ts';
import { Staging } from './staging.ts';
import { StatementService } from './statement-service.ts';
import { holdSweep, sweepDatabases } from './sweep.ts';
import { Uses } from './uses.ts';

export interface DatabasesDeps {
  readonly db: Db;
  /** Of the core's own database, on the server where those of the plugins are made. */
  readonly address: DbAddress;
  readonly log: Log;
  readonly keys: Pick<Keys, 'derive' | 'refresh'>;
  /** Whether the server's processes are on this machine, started by this core. */
  readonly isEmbedded: boolean;
  /** Bytes that a plugin's database may have. */
  readonly quotaOf: (plugin: string) => number;
  /** The database that an isolate was brought up with; null when it is whichever its plugin has. */
  readonly databaseOf: (isolate: number) => string | null;
  /** Has other cores pause the plugin as well; answers how to end that. */
  readonly pauseOthers?: (plugin: string) => Promise<() => Promise<void>>;
  /** A limit refused something. */
  readonly onRefused: (plugin: string, limit: string) => void;
}

/** Opens what is known of the plugins' databases; end it with `stop`. */
export async function openDatabases(deps: DatabasesDeps): Promise<PluginDatabases & DatabasesView> {
  const { address, db, log } = deps;
  const sql = createSql({ address, max: 2, log });
  try {
    const pointers = new Pointers(db);
    const [facts] = await Promise.all([readFacts(sql), pointers.load()]);
    return new Databases(deps, facts, sql, pointers);
  } catch (error) {
    await sql.end();
    throw error;
  }
}

/** For metrics. */
export interface DatabasesView {
  /** Connections that the pool has open for each plugin. */
  connections(): ReadonlyMap<string, number>;
}

/** SQLSTATEs of a login: the password is another; the database is closed, or is no more. */
const WRONG_PASSWORD: ReadonlySet<string> = new Set(['28P01', '28000']);
const MOVED: ReadonlySet<string> = new Set(['55000', '3D000']);

class Databases implements PluginDatabases, DatabasesView {
  readonly #deps: DatabasesDeps;
  readonly #sql: Sql;
  /** A connection of its own, so that it never waits for the copy of a database. */
  readonly #watching: Sql;
  readonly #pointers: Pointers;
  readonly #provisioner: Provisioner;
  readonly #pauses = new Pauses();
  /** Roles that are being repaired. */
  readonly #repairs = new Map<string, Promise<void>>();
  readonly #uses = new Uses();
  readonly #sessions = new Sessions();
  readonly #pool: ConnectionPool;
  readonly #sizes: SizeWatch;
  readonly #memory: MemoryWatch;
  readonly #types: ArrayTypes;
  readonly #staging: Staging;
  readonly #statements: StatementService;

  constructor(deps: DatabasesDeps, facts: ServerFacts, sql: Sql, pointers: Pointers) {
    const { address, isEmbedded, log, keys } = deps;
    this.#deps = deps;
    this.#sql = sql;
    this.#pointers = pointers;
    this.#watching = createSql({ address, max: 1, log });
    this.#provisioner = new Provisioner({ address, sql, names: createNames(facts.databaseOid), keys, isEmbedded, log });
    this.#pool = new ConnectionPool({
      open: (plugin, database) => this.#connect(plugin, database),
      max: Math.min(LIMITS.connectionsOfAll, Math.floor(facts.maxConnections * LIMITS.shareOfServer)),
    });
    const { quotaOf, onRefused } = deps;
    this.#sizes = new SizeWatch({ sql: this.#watching, uses: this.#uses, log, quotaOf, onRefused });
    this.#memory = new MemoryWatch(this.#uses);
    this.#uses.onBusy = () => this.#memory.start();
    this.#types = new ArrayTypes(sql);
    this.#staging = new Staging({
      provisioner: this.#provisioner,
      pointers,
      pauses: this.#pauses,
      uses: this.#uses,
      pool: this.#pool,
      sessions: this.#sessions,
      log,
      holdSweep: () => holdSweep(address, log),
      pauseOthers: deps.pauseOthers ?? (async () => async () => undefined),
      forget: (database) => this.#forget(database),
    });
    this.#statements = new StatementService({
      pool: this.#pool,
      uses: this.#uses,
      sizes: this.#sizes,
      types: this.#types,
      isPaused: (caller) => !this.#isStagedFor(caller) && this.#pauses.has(caller.plugin),
      passed: ({ plugin, signal }) => this.#pauses.passed(plugin, signal),
      databaseOf: (caller) => this.#databaseOf(caller),
    });
  }

  currentOf(plugin: string): string | null {
    return this.#pointers.of(plugin)?.database ?? null;
  }

  stage(plugin: string): Promise<StagedDatabase> {
    return this.#staging.stage(plugin, null);
  }

  stageExisting(plugin: string, database: string): Promise<StagedDatabase> {
    return this.#staging.stage(plugin, database);
  }

  async session(plugin: string, database?: string, resultBytes?: number): Promise<pg.Client> {
    const name = database ?? this.currentOf(plugin);
    if (name === null) throw noDatabase(plugin);
    return this.#login(plugin, name, (config) => this.#sessions.open(config, name, resultBytes));
  }

  runFiles(
    plugin: string,
    database: string,
    files: readonly MigrationFile[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return this.#statements.runFiles(plugin, database, files, signal);
  }

  async makeBeside(plugin: string, name: (database: string) => Promise<void>): Promise<string> {
    const { address, log } = this.#deps;
    const role = this.#pointers.of(plugin)?.role;
    if (role === undefined) throw noDatabase(plugin);
    const hold = await holdSweep(address, log);
    try {
      const database = await this.#provisioner.create(role);
      await name(database).catch(async (error: unknown) => {
        await this.#provisioner.drop(database);
        throw error;
      });
      return database;
    } finally {
      await hold.end();
    }
  }

  async dropDatabase(database: string): Promise<void> {
    if (this.#pointers.names(database) || this.#staging.names(database)) {
      throw new Error(`the database ${database} is in use: it cannot be dropped`);
    }
    await this.#provisioner.drop(database);
  }

  async dropPlugin(plugin: string, trx: Trx): Promise<() => Promise<void>> {
    const pointer = this.#pointers.of(plugin);
    await this.#pointers.remove(trx, plugin);
    return async () => {
      if (pointer === null) return;
      const { database, role } = pointer;
      this.#pointers.forget(plugin);
      await this.#uses.quiet(database, 0, unavailable('The plugin was removed'));
      await this.#pool.closeIdle(plugin, database);
      this.#forget(database);
      await this.#provisioner.drop(database);
      const isGone = await this.#provisioner.dropRole(role);
      if (!isGone) this.#deps.log.info({ plugin }, 'the role of a plugin stays until its restore points are dropped');
    };
  }

  async sweep(): Promise<void> {
    const { address, log } = this.#deps;
    await sweepDatabases({ address, log, provisioner: this.#provisioner, pointers: this.#pointers });
  }

  async bytesOf(plugin: string): Promise<number> {
    const database = this.currentOf(plugin);
    return database === null ? 0 : this.#provisioner.bytes(database);
  }

  async refresh(plugin?: string): Promise<void> {
    if (plugin === undefined) {
      for (const gone of await this.#pointers.refreshAll()) await this.#leave(gone.plugin, gone.database);
      return;
    }
    const before = this.currentOf(plugin);
    await this.#pointers.refresh(plugin);
    if (before !== null && before !== this.currentOf(plugin)) await this.#leave(plugin, before);
  }

  async pause(plugin: string): Promise<() => Promise<void>> {
    const resume = this.#pauses.begin(plugin);
    try {
      const database = this.currentOf(plugin);
      if (database !== null) {
        const reason = unavailable('The database is being upgraded: try again in a moment');
        await this.#uses.quiet(database, LIMITS.pauseMs, reason);
        await this.#pool.closeIdle(plugin, database);
        this.#sessions.end(database);
      }
    } catch (error) {
      resume();
      throw error;
    }
    return () => this.refresh(plugin).finally(resume);
  }

  /** It is the plugin's no more. */
  async #leave(plugin: string, database: string): Promise<void> {
    await this.#pool.closeIdle(plugin, database);
    this.#forget(database);
  }

  connections(): ReadonlyMap<string, number> {
    return this.#pool.sizes();
  }

  onGone(isolate: number): void {
    this.#statements.onGone(isolate);
  }

  async stop(): Promise<void> {
    for (const use of [...this.#uses.all]) use.abort(unavailable('The core stops'));
    await this.#uses.allQuiet();
    await this.#pool.stop();
    this.#sessions.end();
    this.#sizes.stop();
    this.#memory.stop();
    await Promise.all([this.#watching.end(), this.#sql.end()]);
  }

  run(caller: Caller, statement: Statement, transaction: number | null): Promise<Rows> {
    return this.#statements.run(caller, statement, transaction);
  }

  stream(caller: Caller, statement: Statement, transaction: number | null): Promise<RowStream> {
    return this.#statements.stream(caller, statement, transaction);
  }

  begin(caller: Caller, options: TransactionOptions): Promise<number> {
    return this.#statements.begin(caller, options);
  }

  commit(caller: Caller, transaction: number): Promise<void> {
    return this.#statements.commit(caller, transaction);
  }

  rollback(caller: Caller, transaction: number): Promise<void> {
    return this.#statements.rollback(caller, transaction);
  }

  migrate(caller: Caller, sql: string): Promise<boolean> {
    return this.#statements.migrate(caller, sql);
  }

  /** The isolate was brought up with the database that is staged: it works while the others wait. */
  #isStagedFor({ plugin, isolate }: Caller): boolean {
    const staged = this.#staging.of(plugin);
    return staged !== null && staged.database === this.#deps.databaseOf(isolate);
  }

  #databaseOf(caller: Caller): string {
    const staged = this.#isStagedFor(caller) ? this.#staging.of(caller.plugin) : null;
    const database = staged?.database ?? this.currentOf(caller.plugin);
    if (database === null) throw noDatabase(caller.plugin);
    return database;
  }

  #forget(database: string): void {
    this.#types.forget(database);
    this.#sizes.forget(database);
  }

  #connect(plugin: string, database: string): Promise<PluginConnection> {
    return this.#login(plugin, database, (config) =>
      PluginConnection.open(plugin, config, {
        log: this.#deps.log,
        terminate: (processId, of) => this.#provisioner.endProcess(processId, of),
      }),
    );
  }

  /** Connects as the plugin's role. A role whose password is another is repaired, once. */
  async #login<T>(plugin: string, database: string, connect: (config: pg.ClientConfig) => Promise<T>): Promise<T> {
    const role = (this.#staging.of(plugin) ?? this.#pointers.of(plugin))?.role;
    if (role === undefined) throw noDatabase(plugin);
    const { address, db, keys } = this.#deps;
    const attempt = () => connect(clientConfig(address, { role, password: rolePassword(keys, role), database }));
    try {
      return await attempt();
    } catch (error) {
      const code = String((error as { code?: unknown }).code);
      // Another core may have pointed the plugin to another one: the next call finds it there.
      if (MOVED.has(code)) await this.#pointers.refresh(plugin);
      if (!WRONG_PASSWORD.has(code)) throw toFailure(error);
    }
    try {
      // Another core may have changed the key; else the plugin did the password, or this core the key.
      await keys.refresh(db);
      await this.#repair(plugin, role, database);
      return await attempt();
    } catch (error) {
      throw toFailure(error);
    }
  }

  /** Once for all connections that wait for it: of two that alter a role at a time, Postgres lets one fail. */
  #repair(plugin: string, role: string, database: string): Promise<void> {
    const repair = async (): Promise<void> => {
      await this.#provisioner.repairRole(role, database);
      this.#deps.log.warn({ plugin }, 'the database role of a plugin had another password: it has its own again');
    };
    const known = this.#repairs.get(role);
    if (known !== undefined) return known;
    const repairing = repair().finally(() => this.#repairs.delete(role));
    this.#repairs.set(role, repairing);
    return repairing;
  }
}

function noDatabase(plugin: string): Error {
  return unavailable(`${plugin} has no database yet: enable it again with the permission "database" granted`);
}
