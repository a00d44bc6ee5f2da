import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginConnection } from './connection.ts';
import type { Effect } from './verbs.ts';

/** One use of a plugin's database: a statement, a transaction, a stream; with a connection when it has got one. */
export class Use {
  readonly plugin: string;
  readonly database: string;
  readonly isolate: number;
  connection: PluginConnection | null = null;
  /** What the statement that it runs does to the size, and its first word; null while it runs none. */
  effect: Effect | null = null;
  verb: string | null = null;
  /** Postgres itself keeps it from writing. */
  isReadOnly = false;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | null;

  /** @param outer aborts the use as well: the call that it is made for */
  constructor(plugin: string, database: string, isolate: number, outer: AbortSignal | null) {
    this.plugin = plugin;
    this.database = database;
    this.isolate = isolate;
    this.#outer = outer;
    if (outer?.aborted) this.#onOuter();
    else outer?.addEventListener('abort', this.#onOuter, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Has it end: what it runs is cancelled. */
  abort(reason: CodedError): void {
    this.#controller.abort(reason);
  }

  release(): void {
    this.#outer?.removeEventListener('abort', this.#onOuter);
  }

  #onOuter = (): void => this.#controller.abort(this.#outer?.reason);
}

/** All uses under way. */
export class Uses {
  readonly #open = new Set<Use>();
  readonly #waiting = new Set<() => void>();
  /** Called when there is one, after a time without any. */
  onBusy: () => void = () => undefined;

  begin(plugin: string, database: string, isolate: number, outer: AbortSignal | null): Use {
    const use = new Use(plugin, database, isolate, outer);
    this.#open.add(use);
    if (this.#open.size === 1) this.onBusy();
    return use;
  }

  end(use: Use): void {
    use.release();
    this.#open.delete(use);
    for (const look of [...this.#waiting]) look();
  }

  get all(): Iterable<Use> {
    return this.#open;
  }

  get size(): number {
    return this.#open.size;
  }

  onDatabase(database: string): Use[] {
    return [...this.#open].filter((use) => use.database === database);
  }

  /** An isolate is gone. */
  onGone(isolate: number, reason: CodedError): void {
    for (const use of [...this.#open]) if (use.isolate === isolate) use.abort(reason);
  }

  /** Waits until nothing uses the database; what does after `ms` is aborted. */
  async quiet(database: string, ms: number, reason: CodedError): Promise<void> {
    const timer = setTimeout(() => {
      for (const use of this.onDatabase(database)) use.abort(reason);
    }, ms);
    try {
      while (this.onDatabase(database).length > 0) await this.#change();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until there is none. */
  async allQuiet(): Promise<void> {
    while (this.#open.size > 0) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }
}
