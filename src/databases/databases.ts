import type pg from 'pg';
import type { DatabaseService } from '../../sandbox-apis/database/service.ts';
import type { Trx } from '../db/client.ts';
import type { MigrationFile } from './migrations.ts';

/** The databases of the plugins: each with the permission `database` has one of its own (docs/adr/0015). */
export interface PluginDatabases extends DatabaseService {
  /** Database of a plugin at the moment; null when it has none. */
  currentOf(plugin: string): string | null;
  /**
   * Pauses the plugin's calls and makes the database in which its next version is to work: a copy of the current one,
   * or a new one.
   */
  stage(plugin: string): Promise<StagedDatabase>;
  /**
   * The same with a copy of a closed database of an earlier time (a restore point) in the place of one of the current: the
   * point stays what it is, also when the version that is loaded on the copy writes to it and then fails.
   */
  stageExisting(plugin: string, database: string): Promise<StagedDatabase>;
  /**
   * A connection as the plugin's role, unpooled, with caps of its own; to the current database when none is named.
   * @param resultBytes what one statement may bring in rows; 64 MiB unless it is said
   */
  session(plugin: string, database?: string, resultBytes?: number): Promise<pg.Client>;
  /**
   * Makes an empty database for the plugin's role, beside the one that it has, which goes on: for a restore.
   *
   * @param name writes down whose it is, before anybody sweeps what nothing names
   * @throws CodedError `database_unavailable` also when the plugin has none yet
   */
  makeBeside(plugin: string, name: (database: string) => Promise<void>): Promise<string>;
  /**
   * Runs migration files of a package in a database that is staged, under the limits of size, locks and memory that every
   * use has.
   *
   * @param signal ends it
   * @returns names of those that ran now
   * @throws CodedError `migration_changed`, `migration_failed`, `quota_exceeded`, `database_error`,
   *   `database_unavailable`; the signal's reason
   */
  runFiles(
    plugin: string,
    database: string,
    files: readonly MigrationFile[],
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Drops a closed database that nothing names any more. */
  dropDatabase(database: string): Promise<void>;
  /** Removes the plugin's pointer in `trx`; call the answered function after the commit: it drops database and role. */
  dropPlugin(plugin: string, trx: Trx): Promise<() => Promise<void>>;
  /** Drops what no table names: databases (pointer, restore points) and roles that a crash left. At start. */
  sweep(): Promise<void>;
  bytesOf(plugin: string): Promise<number>;
  /** Learns which database is the plugin's: another core may have changed it. Of all plugins without one. */
  refresh(plugin?: string): Promise<void>;
  /**
   * Has the plugin's calls wait, and resolves when nothing here uses its database: another core is about to exchange it.
   *
   * @returns learns which database is its now, and lets the calls go on
   * @throws CodedError `plugin_busy` when this core exchanges it
   */
  pause(plugin: string): Promise<() => Promise<void>>;
  /** An isolate is gone: its transactions roll back. */
  onGone(isolate: number): void;
  stop(): Promise<void>;
}

/** A database in which a plugin's next version is to work; it is the plugin's once `commit` is. */
export interface StagedDatabase {
  readonly database: string;
  /** The plugin's database until then; null when it had none. */
  readonly before: string | null;
  /** Writes the pointer, with whatever else the transaction changes. */
  commit(trx: Trx): Promise<void>;
  /** After that commit: closes the one before, and the calls that waited go on. */
  settle(): Promise<void>;
  /** Instead: drops it, and the calls that waited go on in the one before. */
  abandon(): Promise<void>;
}
