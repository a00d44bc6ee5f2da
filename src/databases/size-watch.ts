import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import type { Use, Uses } from './uses.ts';
import { effectOf } from './verbs.ts';

export interface SizeWatchDeps {
  /** A connection of its own: it must not wait for the copy of a database. */
  readonly sql: Sql;
  readonly uses: Uses;
  readonly log: Log;
  /** Bytes that the plugin's database may have. */
  readonly quotaOf: (plugin: string) => number;
  readonly onRefused: (plugin: string, limit: string) => void;
}

/** What is known of a database that is over its quota. */
interface Excess {
  readonly max: number;
  /** The least that it had since. */
  floor: number;
  /** It grew by what was still allowed: now it may only be read, and things in it dropped. */
  isStuck: boolean;
}

/**
 * Looks every second at the databases that are in use, and once after. Over its quota, what a plugin runs that may grow is
 * cancelled, and refused from then on: it may read, delete, truncate, drop and vacuum. A delete can fire triggers that
 * write, a select can call functions: when the database has grown by `graceBytes` all the same, it is only read (in
 * transactions that Postgres itself keeps from writing), and things in it dropped or vacuumed, until it is smaller again.
 */
export class SizeWatch {
  readonly #deps: SizeWatchDeps;
  readonly #used = new Map<string, string>();
  readonly #excess = new Map<string, Excess>();
  readonly #oids = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #looking: Promise<void> | null = null;

  constructor(deps: SizeWatchDeps) {
    this.#deps = deps;
  }

  /**
   * Whether a statement may run; notes what it does to the size.
   * @returns true when it may only in a transaction that reads
   * @throws CodedError `quota_exceeded`
   */
  admit(use: Use, sql: string, verb: string): boolean {
    const effect = effectOf(sql, verb);
    use.effect = effect;
    use.verb = verb;
    this.#used.set(use.database, use.plugin);
    this.#timer ??= setInterval(() => void this.look(), LIMITS.watchMs);
    const excess = this.#excess.get(use.database);
    if (excess === undefined) return false;
    const isAllowed = excess.isStuck
      ? effect === 'reads' || verb === 'drop' || verb === 'vacuum' || verb === 'rollback'
      : effect !== 'grows';
    if (!isAllowed) {
      use.effect = null;
      this.#deps.onRefused(use.plugin, LIMIT);
      throw refusal(use.plugin, excess);
    }
    return excess.isStuck && effect === 'reads';
  }

  /** Whether only transactions that read may begin. */
  isStuck(database: string): boolean {
    return this.#excess.get(database)?.isStuck ?? false;
  }

  /** The database is no more. */
  forget(database: string): void {
    this.#excess.delete(database);
    this.#used.delete(database);
  }

  /** Looks now; one look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'the sizes of databases are not known'))
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    const used = new Map(this.#used);
    this.#used.clear();
    for (const { database, plugin } of this.#deps.uses.all) {
      used.set(database, plugin);
      this.#used.set(database, plugin);
    }
    if (used.size === 0) {
      this.stop();
      return;
    }
    const oids = await this.#oidsOf([...used.keys()]);
    await this.#stopHogs(oids);
    const sizes = await this.#deps.sql.query<{ oid: number; bytes: number }>(SIZES, [[...oids.keys()]]);
    for (const { oid, bytes } of sizes) {
      const database = oids.get(oid) ?? '';
      const plugin = used.get(database);
      if (plugin !== undefined) this.#judge(plugin, database, bytes);
    }
  }

  /** Oids of databases, with their names; asked for once, because the table of locks may be full later. */
  async #oidsOf(databases: readonly string[]): Promise<Map<number, string>> {
    if (databases.some((name) => !this.#oids.has(name))) {
      const rows = await this.#deps.sql.query<{ name: string; oid: number }>(OIDS, [databases]);
      this.#oids.clear();
      for (const { name, oid } of rows) this.#oids.set(name, oid);
    }
    return new Map(databases.flatMap((name) => (this.#oids.has(name) ? [[this.#oids.get(name) as number, name]] : [])));
  }

  /** Ends what takes up the locks, or the queue of notifications, that all databases of the server share. */
  async #stopHogs(oids: ReadonlyMap<number, string>): Promise<void> {
    const { sql, uses } = this.#deps;
    for (const { oid, locks } of await sql.query<{ oid: number; locks: number }>(LOCKS, [LIMITS.locks])) {
      const database = oids.get(oid);
      if (database !== undefined) this.#stop(uses.onDatabase(database), `It took ${locks} locks at a time`);
    }
    const [queue] = await sql.query<{ share: number }>('select pg_catalog.pg_notification_queue_usage() as share');
    if ((queue?.share ?? 0) > LIMITS.notifyShare)
      this.#stop([...uses.all], 'NOTIFY has filled the queue of the server');
  }

  #stop(uses: readonly Use[], why: string): void {
    for (const use of uses) use.abort(new CodedError('database_error', `The statement was ended: ${why}`, HOG));
  }

  #judge(plugin: string, database: string, bytes: number): void {
    const uses = this.#deps.uses.onDatabase(database);
    const max = this.#deps.quotaOf(plugin);
    if (bytes <= max) {
      this.#excess.delete(database);
      return;
    }
    const known = this.#excess.get(database);
    const excess = { max, floor: Math.min(known?.floor ?? bytes, bytes), isStuck: known?.isStuck ?? false };
    // A full vacuum writes what is left of a table anew before it gives the old one back.
    const grace = uses.some(({ verb }) => verb === 'vacuum') ? excess.floor + LIMITS.graceBytes : LIMITS.graceBytes;
    const isTooMuch = bytes > excess.floor + grace;
    if (isTooMuch) excess.isStuck = true;
    else if (bytes <= excess.floor) excess.isStuck = false;
    this.#excess.set(database, excess);
    for (const use of uses) {
      if (use.effect === 'grows' || (isTooMuch && use.effect !== null && !use.isReadOnly)) {
        use.abort(refusal(plugin, excess));
      }
    }
  }
}

const LIMIT = 'databaseBytes';
/** SQLSTATE configuration_limit_exceeded. */
const HOG = { sqlstate: '53400' };

const OIDS = 'select datname as name, oid::int8 as oid from pg_catalog.pg_database where datname = any($1)';
const SIZES = 'select oid::int8 as oid, pg_catalog.pg_database_size(oid) as bytes from unnest($1::oid[]) as oid';
const LOCKS = `select database::int8 as oid, count(*) as locks from pg_catalog.pg_locks
  where database is not null group by database having count(*) > $1`;

function refusal(plugin: string, { max, isStuck }: Excess): CodedError {
  const may = isStuck ? 'read, drop and vacuum' : 'read, delete, truncate, drop and vacuum';
  const message = `The database of ${plugin} has over ${max} bytes (databaseBytes): until it is smaller it may ${may}`;
  return new CodedError('quota_exceeded', message, { limit: LIMIT, max, resetsAt: null });
}
