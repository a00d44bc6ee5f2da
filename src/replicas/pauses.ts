import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { REPLICA_LIMITS } from './limits.ts';
import type { Replica } from './replica.ts';

/** SQLSTATE: there is such a row already. */
const THERE = '23505';

export interface PausesDeps {
  readonly db: Db;
  readonly log: Log;
  readonly replica: Pick<Replica, 'id' | 'isShared' | 'others'>;
  /**
   * Has the plugin's database calls here wait, and resolves when nothing uses its database any more.
   *
   * @returns learns which database is its now, and lets them go on
   * @throws CodedError `plugin_busy` when they wait for this core's own exchange
   */
  readonly pause: (plugin: string) => Promise<() => Promise<void>>;
}

/**
 * The calls of a plugin wait on all cores while one of them exchanges its database (docs/adr/0023). A row says so, with an
 * end that is moved on: when its core dies, the calls go on by themselves.
 */
export class ReplicaPauses {
  readonly #deps: PausesDeps;
  /** Pauses of other cores that are kept here. */
  readonly #kept = new Map<string, { readonly owner: string; readonly resume: Promise<() => Promise<void>> }>();
  /** Who waits for other cores to pause. */
  readonly #waiting = new Map<string, () => void>();
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(deps: PausesDeps) {
    this.#deps = deps;
  }

  /**
   * Has the other cores pause the plugin; waits for them, within bounds: one that hangs has its connections ended by who
   * exchanges the database, and its calls fail.
   *
   * @returns ends the pause
   * @throws CodedError `plugin_busy` when another core exchanges the database of this plugin
   */
  async begin(plugin: string): Promise<() => Promise<void>> {
    const { db, log, replica } = this.#deps;
    if (!replica.isShared) return async () => undefined;
    await this.#insert(plugin);
    const keeping = setInterval(() => {
      const later = db.updateTable('plugin_pauses').set({ ends_at: fromNow() });
      const mine = later.where('plugin_name', '=', plugin).where('owner', '=', replica.id).execute();
      mine.catch((error: unknown) => log.warn({ err: error, plugin }, 'the pause of a plugin was not kept up'));
    }, REPLICA_LIMITS.pauseKeepMs);
    const end = async (): Promise<void> => {
      clearInterval(keeping);
      const row = db.deleteFrom('plugin_pauses').where('plugin_name', '=', plugin).where('owner', '=', replica.id);
      // What cannot be removed ends by itself.
      await row.execute().catch((error: unknown) => log.warn({ err: error, plugin }, 'a pause was not ended'));
    };
    try {
      await this.#others(plugin);
      return end;
    } catch (error) {
      await end();
      throw error;
    }
  }

  /** Another core has paused: whoever waits for that looks. */
  onPaused(plugin: string): void {
    this.#waiting.get(plugin)?.();
  }

  /** Pauses what others exchange, and ends pauses that are over. */
  look(): Promise<void> {
    if (this.#looking !== null) {
      this.#again = true;
      return this.#looking;
    }
    this.#looking = this.#look()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'which plugins are paused was not read'))
      .finally(() => {
        this.#looking = null;
        const { pauseLookMs } = REPLICA_LIMITS;
        if (this.#timer !== null) clearTimeout(this.#timer);
        this.#timer = null;
        if (this.#stopped) return;
        if (this.#again) void this.look();
        else if (this.#kept.size > 0) this.#timer = setTimeout(() => void this.look(), pauseLookMs);
      });
    return this.#looking;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    for (const plugin of [...this.#kept.keys()]) await this.#resume(plugin);
  }

  async #insert(plugin: string): Promise<void> {
    const { db, replica } = this.#deps;
    try {
      await db.transaction().execute(async (trx) => {
        // What its core did not end, which has died.
        await sql`delete from plugin_pauses where plugin_name = ${plugin} and ends_at <= clock_timestamp()`.execute(
          trx,
        );
        const row = { plugin_name: plugin, owner: replica.id, ends_at: fromNow() };
        await trx.insertInto('plugin_pauses').values(row).execute();
      });
    } catch (error) {
      if ((error as { code?: unknown }).code !== THERE) throw error;
      throw new CodedError('plugin_busy', `Another core exchanges the database of ${plugin}: try again in a moment`);
    }
  }

  async #others(plugin: string): Promise<void> {
    const { db, log, replica } = this.#deps;
    const end = performance.now() + REPLICA_LIMITS.pauseWaitMs;
    for (;;) {
      const kept = await db
        .selectFrom('plugin_pauses_kept')
        .select('replica')
        .where('plugin_name', '=', plugin)
        .execute();
      const paused = new Set(kept.map((row) => row.replica));
      const missing = (await replica.others()).filter((id) => !paused.has(id));
      if (missing.length === 0) return;
      if (performance.now() > end) {
        log.warn(
          { plugin, missing },
          'other cores did not pause a plugin in time; their calls to its database are cut',
        );
        return;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, REPLICA_LIMITS.pauseLookMs);
        this.#waiting.set(plugin, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      this.#waiting.delete(plugin);
    }
  }

  async #look(): Promise<void> {
    this.#again = false;
    const { db, replica } = this.#deps;
    const { rows } = await sql<{ plugin: string; owner: string }>`
      select plugin_name as plugin, owner from plugin_pauses
      where owner <> ${replica.id} and ends_at > clock_timestamp()`.execute(db);
    const going = new Map(rows.map(({ plugin, owner }) => [plugin, owner]));
    for (const [plugin, { owner }] of [...this.#kept]) {
      if (going.get(plugin) !== owner) await this.#resume(plugin);
    }
    for (const [plugin, owner] of going) if (!this.#kept.has(plugin)) this.#keep(plugin, owner);
  }

  /** In the background: what is under way here may take its time, and other pauses do not wait for that. */
  #keep(plugin: string, owner: string): void {
    const { db, log, pause, replica } = this.#deps;
    const resume = pause(plugin);
    this.#kept.set(plugin, { owner, resume });
    resume
      .then(async () => {
        const row = { plugin_name: plugin, replica: replica.id };
        await db
          .insertInto('plugin_pauses_kept')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      })
      // The pause was over already; or this core exchanges the database itself, which the other will be told.
      .catch((error: unknown) => log.debug({ err: error, plugin }, 'a pause of another core was not kept'));
  }

  async #resume(plugin: string): Promise<void> {
    const kept = this.#kept.get(plugin);
    this.#kept.delete(plugin);
    const resume = await kept?.resume.catch(() => null);
    await resume?.();
  }
}

function fromNow() {
  return sql<Date>`clock_timestamp() + ${REPLICA_LIMITS.pauseMs}::float8 * interval '1 ms'`;
}
