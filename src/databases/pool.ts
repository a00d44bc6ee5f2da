import type { PluginConnection } from './connection.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';

export interface PoolDeps {
  readonly open: (plugin: string, database: string) => Promise<PluginConnection>;
  /** Connections of all plugins together. */
  readonly max: number;
}

interface Waiting {
  readonly database: string;
  readonly give: (connection: PluginConnection) => void;
  readonly fail: (error: unknown) => void;
}

interface Idle {
  readonly connection: PluginConnection;
  readonly since: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What one plugin has of the pool. */
interface Share {
  readonly plugin: string;
  /** In use or being opened. */
  busy: number;
  /** The one that rested longest first: it has forgotten its last use. */
  readonly idle: Idle[];
  readonly waiting: Waiting[];
}

/**
 * Connections of the plugins: few each, made when they are needed, closed when they idle, all together capped. When all are
 * taken, the next that is free goes to whoever has the fewest; idle ones of others give way.
 */
export class ConnectionPool {
  readonly #deps: PoolDeps;
  readonly #shares = new Map<string, Share>();
  #open = 0;
  #stopped = false;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
  }

  /** Open connections by plugin. */
  sizes(): Map<string, number> {
    return new Map([...this.#shares].map(([plugin, { busy, idle }]) => [plugin, busy + idle.length]));
  }

  /**
   * A connection of the plugin to its database, for this use alone; waits for one until the signal is aborted.
   * @throws the signal's reason; what `open` throws
   */
  async take(plugin: string, database: string, signal: AbortSignal): Promise<PluginConnection> {
    for (;;) {
      signal.throwIfAborted();
      const connection = await this.#next(plugin, database, signal);
      await connection.ready();
      if (!connection.isOver) return connection;
      this.drop(connection);
    }
  }

  /** Takes one back, forgetting all that its use left in it. */
  give(connection: PluginConnection): void {
    if (connection.isOver || connection.status !== 'I' || this.#stopped) {
      this.drop(connection);
      return;
    }
    connection.reset();
    const share = this.#share(connection.plugin);
    share.busy -= 1;
    const timer = setTimeout(() => void this.#close(share, idle), LIMITS.idleMs);
    const idle: Idle = { connection, since: performance.now(), timer };
    share.idle.push(idle);
    this.#serve();
  }

  /** Takes one back that is of no more use. */
  drop(connection: PluginConnection): void {
    connection.destroy();
    this.#lost(this.#share(connection.plugin));
  }

  /** Closes those that idle on a database; resolves when the server has heard of it. */
  async closeIdle(plugin: string, database: string): Promise<void> {
    const share = this.#shares.get(plugin);
    const idle = share?.idle.filter(({ connection }) => connection.database === database) ?? [];
    await Promise.all(idle.map((one) => this.#close(share as Share, one)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const all = [...this.#shares.values()].flatMap((share) => share.idle.map((one) => this.#close(share, one)));
    await Promise.all(all);
  }

  async #next(plugin: string, database: string, signal: AbortSignal): Promise<PluginConnection> {
    const share = this.#share(plugin);
    const rested = share.waiting.length === 0 ? this.#wake(share, database) : null;
    if (rested !== null) return rested;
    const { promise, resolve, reject } = Promise.withResolvers<PluginConnection>();
    const waiting: Waiting = { database, give: resolve, fail: reject };
    share.waiting.push(waiting);
    const onAbort = (): void => {
      const at = share.waiting.indexOf(waiting);
      if (at === -1) return;
      share.waiting.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#serve();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Gives those who wait what idles, and opens more as far as there is room. */
  #serve(): void {
    for (let share = this.#heir(); share !== null; share = this.#heir()) {
      const [waiting] = share.waiting;
      if (waiting === undefined) return;
      const rested = this.#wake(share, waiting.database);
      if (rested !== null) waiting.give(rested);
      else if (this.#makeRoom(share)) this.#openFor(share, waiting);
      else return;
      share.waiting.shift();
    }
  }

  /** Who waits, may have one more, and has the fewest in use. */
  #heir(): Share | null {
    let heir: Share | null = null;
    for (const share of this.#shares.values()) {
      if (share.waiting.length === 0 || share.busy >= LIMITS.connections) continue;
      if (heir === null || share.busy < heir.busy) heir = share;
    }
    return heir;
  }

  /** One of the plugin that idles on that database. */
  #wake(share: Share, database: string): PluginConnection | null {
    const at = share.idle.findIndex(({ connection }) => connection.database === database);
    const [idle] = at === -1 ? [] : share.idle.splice(at, 1);
    if (idle === undefined) return null;
    clearTimeout(idle.timer);
    share.busy += 1;
    return idle.connection;
  }

  /** Whether one more may be opened; closes one that idles for it: of the plugin itself, or that which does so longest. */
  #makeRoom(share: Share): boolean {
    const isFull = share.busy + share.idle.length >= LIMITS.connections;
    if (!isFull && this.#open < this.#deps.max) return true;
    let found: { readonly share: Share; readonly idle: Idle } | null = null;
    for (const other of isFull ? [share] : this.#shares.values()) {
      const [idle] = other.idle;
      if (idle !== undefined && (found === null || idle.since < found.idle.since)) found = { share: other, idle };
    }
    if (found === null) return false;
    void this.#close(found.share, found.idle);
    return true;
  }

  #openFor(share: Share, { database, give, fail }: Waiting): void {
    share.busy += 1;
    this.#open += 1;
    this.#deps.open(share.plugin, database).then(give, (error: unknown) => {
      this.#lost(share);
      fail(error);
    });
  }

  /** What is being closed counts no more: its process ends within a moment. */
  async #close(share: Share, idle: Idle): Promise<void> {
    const at = share.idle.indexOf(idle);
    if (at === -1) return;
    share.idle.splice(at, 1);
    clearTimeout(idle.timer);
    this.#open -= 1;
    this.#tidy(share);
    await idle.connection.close();
  }

  /** One in use is no more. */
  #lost(share: Share): void {
    share.busy -= 1;
    this.#open -= 1;
    this.#serve();
    this.#tidy(share);
  }

  #tidy(share: Share): void {
    if (share.busy === 0 && share.idle.length === 0 && share.waiting.length === 0) this.#shares.delete(share.plugin);
  }

  #share(plugin: string): Share {
    let share = this.#shares.get(plugin);
    if (share === undefined) {
      share = { plugin, busy: 0, idle: [], waiting: [] };
      this.#shares.set(plugin, share);
    }
    return share;
  }
}
