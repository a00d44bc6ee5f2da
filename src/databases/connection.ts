import pg from 'pg';
import type { Log } from '../log.ts';
import { requestCancel } from './address.ts';
import { type Exchange, type Outcome, RESET, Reset } from './exchange.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { guardWire, type WireBudget, type WireGuard } from './wire-guard.ts';

export interface ConnectionDeps {
  readonly log: Log;
  /** Ends the server's process of a connection, as the core. */
  readonly terminate: (processId: number, database: string) => Promise<void>;
}

/** One result: what the room hands on at most. */
const ONE_RESULT: WireBudget = {
  rows: LIMITS.resultBytes,
  row: LIMITS.resultBytes,
  others: LIMITS.otherBytes,
  copy: false,
};

/** One connection of a plugin to its database. It runs one exchange at a time; whoever has it sees to that. */
export class PluginConnection {
  readonly plugin: string;
  readonly database: string;
  readonly client: pg.Client;
  readonly guard: WireGuard;
  readonly #config: pg.ClientConfig;
  readonly #deps: ConnectionDeps;
  readonly #openedAt = performance.now();
  /** Nothing was left in the session since it was opened or last reset. */
  #isClean = true;
  #resetting: Promise<void> | null = null;
  #running: Promise<unknown> | null = null;
  #isCancelled = false;
  #ended = false;

  private constructor(plugin: string, config: pg.ClientConfig, deps: ConnectionDeps) {
    this.plugin = plugin;
    this.#config = config;
    this.#deps = deps;
    this.client = new pg.Client(config);
    this.database = this.client.database ?? '';
    this.guard = guardWire(this.client, ONE_RESULT);
    this.client.on('error', (error) =>
      deps.log.debug({ plugin, reason: error.message }, 'a plugin connection is lost'),
    );
    this.client.on('end', () => {
      this.#ended = true;
    });
  }

  /** @throws Error of pg when there is none to be had */
  static async open(plugin: string, config: pg.ClientConfig, deps: ConnectionDeps): Promise<PluginConnection> {
    const connection = new PluginConnection(plugin, config, deps);
    await connection.client.connect();
    return connection;
  }

  /** Process of the server that serves it. */
  get processId(): number {
    return (this.client as unknown as { readonly processID: number }).processID;
  }

  /** Whether it is of use to nobody any more. */
  get isOver(): boolean {
    // A request to cancel that comes late would hit the next statement.
    return this.#ended || this.#isCancelled || performance.now() - this.#openedAt > LIMITS.lifetimeMs;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** What the server says of the transaction: none, open, failed. */
  get status(): ReturnType<pg.Client['getTransactionStatus']> {
    return this.client.getTransactionStatus();
  }

  /**
   * Runs one exchange. When the signal is aborted meanwhile, the statement is cancelled, and if it does not heed that, the
   * connection is ended.
   *
   * @throws what the server said, or the refusal of the guard; the signal's reason when that was it
   */
  async run(exchange: Exchange, signal: AbortSignal, budget: WireBudget = ONE_RESULT): Promise<Outcome> {
    signal.throwIfAborted();
    await this.ready();
    this.#isClean = false;
    this.guard.allow(budget);
    if (exchange.resets) exchange.onReady = () => this.#reset();
    this.client.query(exchange);
    return this.#cancellable(signal, exchange.done);
  }

  /** Lends its client to what runs several statements; the same happens when the signal is aborted. */
  async lend<T>(signal: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    await this.ready();
    this.#isClean = false;
    const allow = (): void => this.guard.allow(ONE_RESULT);
    allow();
    this.client.connection.on('readyForQuery', allow);
    try {
      return await this.#cancellable(signal, work(this.client));
    } finally {
      this.client.connection.off('readyForQuery', allow);
    }
  }

  /** A statement of the core's own, such as `commit`. @returns its tag */
  async control(sql: string): Promise<string> {
    await this.ready();
    this.#isClean = false;
    this.guard.allow(ONE_RESULT);
    const { command } = await this.client.query(sql);
    return command;
  }

  /**
   * Forgets all that a use left in the session. It is sent at once and waited for by the next use only, which by then
   * mostly finds it done; most statements have sent it along already.
   */
  reset(): void {
    if (this.#ended || this.#isClean) return;
    this.guard.allow(ONE_RESULT);
    this.client.connection.query(RESET);
    this.#reset();
  }

  #reset(): void {
    this.#isClean = true;
    const reset = new Reset();
    this.client.query(reset);
    this.#resetting = reset.done.then(
      () => {
        this.#resetting = null;
      },
      () => this.destroy(),
    );
  }

  /** Resolves when what was left of the use before is forgotten. */
  async ready(): Promise<void> {
    if (this.#resetting === null) return;
    const timer = setTimeout(() => this.destroy(), LIMITS.resetMs);
    await this.#resetting;
    clearTimeout(timer);
  }

  /** Ends it politely; resolves when the socket is closed. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const timer = setTimeout(() => this.destroy(), LIMITS.resetMs);
    await this.client.end().finally(() => clearTimeout(timer));
  }

  /** Ends it at once, and what it runs. */
  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    const processId = this.processId;
    this.client.connection.stream.destroy();
    if (this.#running === null && this.status === 'I') return;
    this.#deps.terminate(processId, this.database).catch((error: unknown) => {
      this.#deps.log.warn({ err: error, plugin: this.plugin }, 'a process of the database could not be ended');
    });
  }

  async #cancellable<T>(signal: AbortSignal, running: Promise<T>): Promise<T> {
    this.#running = running;
    const onAbort = (): void => void this.#interrupt(running);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await running;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#running = null;
    }
  }

  async #interrupt(running: Promise<unknown>): Promise<void> {
    const settled = running.then(
      () => true,
      () => true,
    );
    this.#isCancelled = true;
    await requestCancel(this.#config, this.client);
    if (await Promise.race([settled, Bun.sleep(LIMITS.cancelMs).then(() => false)])) return;
    this.destroy();
  }
}
