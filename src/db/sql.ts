import type pg from 'pg';
import type { Log } from '../log.ts';
import { createPool, type DbAddress, type DbOptions, openSession } from './client.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/** Statements as text, and notifications, for what the typed query builder does not cover. */
export interface Sql {
  /** Runs a statement (`$1` placeholders); without values also several, divided by `;`. Gives the rows of the last. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * Hears notifications on a connection of its own. When that is lost it is made anew, and `onListen` is called each
   * time that it listens: what was sent in between is not heard. Fails when the first connection does.
   */
  listen(channel: string, onNotify: (payload: string) => void, onListen?: () => void): Promise<Listening>;
  notify(channel: string, payload: string): Promise<void>;
  /** Ends the listening and, after the statements under way, the connections. */
  end(): Promise<void>;
}

export interface Listening {
  unlisten(): Promise<void>;
}

/** Opens the database for statements as text, with a pool of its own; end it with `end`. */
export function createSql(options: DbOptions): Sql {
  const pool = createPool(options);
  const listeners = new Set<Listening>();
  return {
    query: async (text, values) => {
      const result = await pool.query(text, values === undefined ? undefined : [...values]);
      const last: pg.QueryResult = Array.isArray(result) ? result.at(-1) : result;
      return last.rows;
    },
    listen: async (channel, onNotify, onListen) => {
      const listener = new Listener(options, channel, onNotify, onListen ?? (() => undefined));
      await listener.open();
      listeners.add(listener);
      return {
        unlisten: () => {
          listeners.delete(listener);
          return listener.unlisten();
        },
      };
    },
    notify: async (channel, payload) => {
      await pool.query('select pg_notify($1, $2)', [channel, payload]);
    },
    end: async () => {
      await Promise.all([...listeners].map((listener) => listener.unlisten()));
      await pool.end();
    },
  };
}

class Listener implements Listening {
  readonly #address: DbAddress;
  readonly #log: Log;
  readonly #channel: string;
  readonly #onNotify: (payload: string) => void;
  readonly #onListen: () => void;
  #client: pg.Client | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;

  constructor(options: DbOptions, channel: string, onNotify: (payload: string) => void, onListen: () => void) {
    this.#address = options.address;
    this.#log = options.log;
    this.#channel = channel;
    this.#onNotify = onNotify;
    this.#onListen = onListen;
  }

  async open(): Promise<void> {
    const client = await openSession(this.#address, this.#log);
    if (this.#stopped) return client.end();
    this.#client = client;
    client.on('notification', ({ payload }) => this.#onNotify(payload ?? ''));
    client.on('end', () => {
      this.#client = null;
      this.#openAgain(FIRST_RETRY_MS);
    });
    await client.query(`listen ${client.escapeIdentifier(this.#channel)}`);
    this.#onListen();
  }

  async unlisten(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#client?.end();
  }

  #openAgain(inMs: number): void {
    if (this.#stopped) return;
    this.#retry = setTimeout(() => {
      this.open().catch((error) => {
        this.#log.warn({ err: error, channel: this.#channel }, 'cannot listen to the database; trying again');
        // With a client there its end comes, and tries again.
        if (this.#client === null) this.#openAgain(Math.min(inMs * 2, LAST_RETRY_MS));
      });
    }, inMs);
  }
}
