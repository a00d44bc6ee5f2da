import type pg from 'pg';
import type { Trx } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { StagedDatabase } from './databases.ts';
import { unavailable } from './failures.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import type { Pauses } from './pauses.ts';
import type { Pointer, Pointers } from './pointers.ts';
import type { ConnectionPool } from './pool.ts';
import type { Provisioner } from './provision.ts';
import type { Sessions } from './sessions.ts';
import type { Uses } from './uses.ts';

export interface StagingDeps {
  readonly provisioner: Provisioner;
  readonly pointers: Pointers;
  readonly pauses: Pauses;
  readonly uses: Uses;
  readonly pool: ConnectionPool;
  readonly sessions: Sessions;
  readonly log: Log;
  /** Holds off the sweep of every core on this database until it is ended. */
  readonly holdSweep: () => Promise<pg.Client>;
  /** Has other cores pause the plugin as well; answers how to end that. */
  readonly pauseOthers: (plugin: string) => Promise<() => Promise<void>>;
  /** What is known of a database is of no use any more. */
  readonly forget: (database: string) => void;
}

/** Exchanges the databases of plugins: a copy in which the next version works, and then is the plugin's, or goes. */
export class Staging {
  readonly #deps: StagingDeps;
  readonly #staged = new Map<string, Pointer>();

  constructor(deps: StagingDeps) {
    this.#deps = deps;
  }

  /** The database in which a plugin's next version is brought up; null when none is. */
  of(plugin: string): Pointer | null {
    return this.#staged.get(plugin) ?? null;
  }

  names(database: string): boolean {
    return [...this.#staged.values()].some((staged) => staged.database === database);
  }

  /**
   * Pauses the plugin and makes its next database.
   *
   * @param existing a closed one (of a restore point) to copy in the place of the current one
   * @throws CodedError `plugin_busy`, `database_unavailable`; nothing has changed then
   */
  async stage(plugin: string, existing: string | null): Promise<StagedDatabase> {
    const { pauses, pointers, provisioner, log } = this.#deps;
    const before = pointers.of(plugin);
    if (before === null && existing !== null) throw new Error(`${plugin} has no role to work in ${existing} with`);
    const resumeHere = pauses.begin(plugin);
    let resumeOthers = async (): Promise<void> => undefined;
    const resume = async (): Promise<void> => {
      resumeHere();
      await resumeOthers();
    };
    const begun = performance.now();
    let hold: pg.Client | null = null;
    let role: string | null = null;
    try {
      hold = await this.#deps.holdSweep();
      resumeOthers = await this.#deps.pauseOthers(plugin);
      if (before !== null) await this.#quiet(plugin, before.database);
      role = before?.role ?? (await provisioner.createRole());
      const database = await this.#make(before, role, existing);
      this.#staged.set(plugin, { database, role });
      log.info({ plugin, ms: Math.round(performance.now() - begun) }, 'made the database for a version of a plugin');
      return this.#handle(plugin, { database, role }, before, resume, hold);
    } catch (error) {
      // What it cannot drop now the next start does; the plugin goes on.
      await resume();
      if (before === null && role !== null) {
        await provisioner
          .dropRole(role)
          .catch((failure: unknown) => log.warn({ err: failure, plugin }, 'a role was not dropped'));
      }
      await hold?.end();
      throw error;
    }
  }

  async #make(before: Pointer | null, role: string, existing: string | null): Promise<string> {
    const { provisioner } = this.#deps;
    if (before === null) return provisioner.create(role);
    await provisioner.repairRole(role, before.database);
    // What an earlier version is to work on is a copy too: the point stays as it is, whatever comes of the attempt.
    return provisioner.copy(existing ?? before.database, role);
  }

  /** Waits for what is under way, for a short time, and closes the connections: a database in use cannot be copied. */
  async #quiet(plugin: string, database: string): Promise<void> {
    const reason = unavailable('The database is being upgraded: try again in a moment');
    const { pool, provisioner, sessions, uses } = this.#deps;
    await uses.quiet(database, LIMITS.pauseMs, reason);
    await pool.closeIdle(plugin, database);
    // A backup that reads it is made again.
    sessions.end(database);
    await provisioner.endAll(database);
  }

  #handle(
    plugin: string,
    next: Pointer,
    before: Pointer | null,
    resume: () => Promise<void>,
    hold: pg.Client,
  ): StagedDatabase {
    const { pointers, provisioner, pool, uses, forget } = this.#deps;
    let isOver = false;
    /** Once, by whichever comes first; whatever fails in `work`, the plugin goes on. */
    const end = async (work: () => Promise<void>): Promise<void> => {
      if (isOver) return;
      isOver = true;
      this.#staged.delete(plugin);
      try {
        await work();
      } finally {
        await resume();
        await hold.end();
      }
    };
    return {
      database: next.database,
      before: before?.database ?? null,
      commit: (trx: Trx) => pointers.write(trx, plugin, next),
      settle: () =>
        end(async () => {
          pointers.set(plugin, next);
          if (before === null) return;
          forget(before.database);
          await provisioner.close(before.database);
        }),
      abandon: () =>
        end(async () => {
          await uses.quiet(next.database, 0, unavailable('The version that was to come has failed'));
          await pool.closeIdle(plugin, next.database);
          forget(next.database);
          await provisioner.drop(next.database);
          if (before === null) await provisioner.dropRole(next.role);
        }),
    };
  }
}
