import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { USE_LIMITS } from './limits.ts';
import { pruneRefusals, saveUses, type UseKind, type UseRow } from './use-rows.ts';

/** What happened since the last write; times are milliseconds since 1970. */
interface Count {
  uses: number;
  firstAt: number;
  lastAt: number;
  refused: number;
  refusedAt: number;
}

/** Counts of one plugin, by the name of the capability or permission. */
type Counts = Readonly<Record<UseKind, Map<string, Count>>>;

/** What a permission can look like in a report; what a plugin makes up beyond that is counted by its capability only. */
const NAME = /^[\x21-\x7e]{1,300}$/;

/**
 * Counts how often each plugin uses what it was granted, in memory, and writes it in batches: a call costs an increment.
 */
export class Uses {
  readonly #db: Db;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #plugins = new Map<string, Counts>();
  #writing: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor({ db, log, now = Date.now }: { readonly db: Db; readonly log: Log; readonly now?: () => number }) {
    this.#db = db;
    this.#log = log;
    this.#now = now;
  }

  /** A call was let through: into which capability (null: it was counted before), and by which grant, if it needed one. */
  used(plugin: string, capability: string | null, grant: string | null): void {
    const now = this.#now();
    const counts = this.#of(plugin);
    if (capability !== null) add(countOf(counts.capability, capability), now);
    if (grant !== null) add(countOf(counts.permission, grant), now);
  }

  /** A call was refused: of which capability, and for lack of which permission, if it needed one. */
  refused(plugin: string, capability: string, permission: string | null): void {
    const now = this.#now();
    const counts = this.#of(plugin);
    refuse(countOf(counts.capability, capability), now);
    if (permission === null) return;
    const named = counts.permission;
    if (!named.has(permission) && (named.size >= USE_LIMITS.names || !NAME.test(permission))) return;
    refuse(countOf(named, permission), now);
  }

  /** Writes every now and then, from here on. */
  start(): void {
    this.#timer = setInterval(() => {
      this.flush().catch((err: unknown) => this.#log.error({ err }, 'the use of permissions was not written down'));
    }, USE_LIMITS.writeMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Writes what was counted so far; rejects, and keeps the counts, when the database does. */
  flush(): Promise<void> {
    const turn = this.#writing.then(() => this.#write());
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  /** The plugin was uninstalled. */
  forget(plugin: string): void {
    this.#plugins.delete(plugin);
  }

  async #write(): Promise<void> {
    const batch = [...this.#counts()];
    if (batch.length === 0) return;
    // A plugin that is being installed has calls and no row yet: its counts wait.
    const saved = await saveUses(
      this.#db,
      batch.map(({ row }) => row),
    );
    for (const { row, count, counts } of batch) {
      if (!saved.has(row.plugin)) continue;
      count.uses -= row.uses;
      count.refused -= row.refused;
      if (count.uses === 0 && count.refused === 0) counts.delete(row.name);
    }
    const refusing = [...saved].filter((plugin) => batch.some(({ row }) => row.plugin === plugin && row.refused > 0));
    if (refusing.length > 0) await pruneRefusals(this.#db, refusing);
  }

  *#counts(): Iterable<{ readonly row: UseRow; readonly count: Count; readonly counts: Map<string, Count> }> {
    for (const [plugin, { capability, permission }] of this.#plugins) {
      for (const [kind, counts] of [
        ['capability', capability],
        ['permission', permission],
      ] as const) {
        for (const [name, count] of counts) yield { row: { plugin, kind, name, ...count }, count, counts };
      }
    }
  }

  #of(plugin: string): Counts {
    let counts = this.#plugins.get(plugin);
    if (counts === undefined) {
      counts = { capability: new Map(), permission: new Map() };
      this.#plugins.set(plugin, counts);
    }
    return counts;
  }
}

function countOf(counts: Map<string, Count>, name: string): Count {
  let count = counts.get(name);
  if (count === undefined) {
    count = { uses: 0, firstAt: 0, lastAt: 0, refused: 0, refusedAt: 0 };
    counts.set(name, count);
  }
  return count;
}

function add(count: Count, now: number): void {
  if (count.uses === 0) count.firstAt = now;
  count.uses += 1;
  count.lastAt = now;
}

function refuse(count: Count, now: number): void {
  count.refused += 1;
  count.refusedAt = now;
}
