import type { Db } from '../db/client.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import { CHANGES_CHANNEL, type Hint, parseHint } from './changes.ts';
import { REPLICA_LIMITS, type ReplicaTimes } from './limits.ts';
import type { Behind } from './replica.ts';

/** What a core keeps in memory of the tables, and how it is made as they are. Each may be asked at any time, and in vain. */
export interface Kept {
  /** Revisions of the plugins as they are here, by name. */
  readonly revisions: () => ReadonlyMap<string, number>;
  /** Makes a plugin as its row says, or takes it away when there is none. @throws why it could not */
  readonly converge: (plugin: string) => Promise<void>;
  /** Switches of a plugin; of all without one. */
  readonly switches: (plugin?: string) => Promise<void>;
  /** Which database is a plugin's; of all without one. */
  readonly database: (plugin?: string) => Promise<void>;
  /** Pauses that another core has begun or ended. */
  readonly pauses: () => Promise<void>;
  readonly paused: (plugin: string) => void;
  /** Forgets what is remembered of a user or a credential; of all without one. */
  readonly principals: (changed?: { readonly user: string } | { readonly credential: string }) => void;
  /** Which key is in use. */
  readonly key: () => Promise<void>;
}

export interface ConvergenceDeps {
  readonly db: Db;
  readonly sql: Pick<Sql, 'listen'>;
  readonly log: Log;
  readonly kept: Kept;
  /** Told which plugins are not here as they should be, whenever that changes. */
  readonly onBehind: (behind: Readonly<Record<string, Behind>>) => void;
  readonly limits?: Pick<ReplicaTimes, 'reconcileMs' | 'retryMs' | 'lastRetryMs'>;
}

interface Late extends Behind {
  readonly tries: number;
  readonly timer: Timer;
}

/** Keeps a core like the tables: hints make it look at once, and every few seconds it looks at everything. */
export class Convergence {
  readonly #deps: ConvergenceDeps;
  readonly #limits: Pick<ReplicaTimes, 'reconcileMs' | 'retryMs' | 'lastRetryMs'>;
  /** Plugins that are being looked at; true: once more after that. */
  readonly #busy = new Map<string, boolean>();
  readonly #late = new Map<string, Late>();
  #timer: Timer | null = null;
  #unlisten: (() => Promise<void>) | null = null;
  #reconciling: Promise<void> | null = null;
  #stopped = false;

  constructor(deps: ConvergenceDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? REPLICA_LIMITS;
  }

  async start(): Promise<void> {
    const onHint = (payload: string): void => {
      const hint = parseHint(payload);
      if (hint !== null && !this.#stopped) this.#onHint(hint);
    };
    // Also whenever the connection was lost and is back: hints may have been missed.
    const onListen = (): void => {
      this.#deps.kept.principals();
      void this.reconcile();
    };
    const listening = await this.#deps.sql.listen(CHANGES_CHANNEL, onHint, onListen);
    this.#unlisten = () => listening.unlisten();
    this.#timer = setInterval(() => void this.reconcile(), this.#limits.reconcileMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const { timer } of this.#late.values()) clearTimeout(timer);
    await this.#unlisten?.();
    await this.#reconciling;
  }

  /** Looks at everything; plugins that differ are seen to beside that. */
  reconcile(): Promise<void> {
    this.#reconciling ??= this.#reconcile()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'what other cores changed was not read'))
      .finally(() => {
        this.#reconciling = null;
      });
    return this.#reconciling;
  }

  #onHint({ kind, what }: Hint): void {
    const { kept } = this.#deps;
    if (kind === 'plugin') this.#look(what);
    else if (kind === 'user') kept.principals({ user: what });
    else if (kind === 'credential') kept.principals({ credential: what });
    else if (kind === 'paused') kept.paused(what);
    else this.#quietly(looks(kept)[kind](what));
  }

  #quietly(work: Promise<void>): void {
    work.catch((error: unknown) => this.#deps.log.warn({ err: error }, 'a change of another core was not read'));
  }

  async #reconcile(): Promise<void> {
    if (this.#stopped) return;
    const { db, kept } = this.#deps;
    await kept.pauses();
    await kept.switches();
    await kept.database();
    const rows = await db.selectFrom('installed_plugins').select(['name', 'revision']).execute();
    const here = new Map(kept.revisions());
    for (const { name, revision } of rows) {
      const late = this.#late.get(name);
      // What is late has a timer of its own, unless it has changed.
      const differs = (late === undefined ? here.get(name) : late.revision) !== revision;
      here.delete(name);
      if (differs) this.#look(name);
    }
    for (const name of here.keys()) this.#look(name);
  }

  /** One look of a plugin at a time; a hint that comes meanwhile is one more. */
  #look(plugin: string): void {
    if (this.#stopped) return;
    if (this.#busy.has(plugin)) {
      this.#busy.set(plugin, true);
      return;
    }
    this.#busy.set(plugin, false);
    void this.#converge(plugin).finally(() => {
      const again = this.#busy.get(plugin) === true;
      this.#busy.delete(plugin);
      if (again) this.#look(plugin);
    });
  }

  async #converge(plugin: string): Promise<void> {
    const { kept, log } = this.#deps;
    try {
      await kept.converge(plugin);
      clearTimeout(this.#late.get(plugin)?.timer);
      if (this.#late.delete(plugin)) this.#tell();
    } catch (error) {
      if (this.#stopped) return;
      const before = this.#late.get(plugin);
      const revision = error instanceof NotConverged ? error.revision : -1;
      const tries = before?.revision === revision ? before.tries + 1 : 1;
      const waitMs = Math.min(this.#limits.retryMs * 2 ** (tries - 1), this.#limits.lastRetryMs);
      const cause = error instanceof NotConverged ? error.cause : error;
      const message = cause instanceof Error ? cause.message : String(cause);
      const since = before?.revision === revision ? before.since : new Date().toISOString();
      clearTimeout(before?.timer);
      const timer = setTimeout(() => this.#look(plugin), waitMs);
      this.#late.set(plugin, { revision, error: message, since, tries, timer });
      log.warn({ err: cause, plugin, tries, retryInMs: waitMs }, 'a plugin is not here as another core made it');
      this.#tell();
    }
  }

  #tell(): void {
    const behind = [...this.#late].map(([name, { revision, error, since }]) => [name, { revision, error, since }]);
    this.#deps.onBehind(Object.fromEntries(behind));
  }
}

const looks = (kept: Kept) => ({
  switches: (plugin: string) => kept.switches(plugin),
  database: (plugin: string) => kept.database(plugin),
  pause: () => kept.pauses(),
  key: () => kept.key(),
});

/** A plugin could not be made as its row says; `cause` is why. */
export class NotConverged extends Error {
  readonly revision: number;

  constructor(plugin: string, revision: number, cause: unknown) {
    super(`${plugin} is not as its row says`, { cause });
    this.name = 'NotConverged';
    this.revision = revision;
  }
}
