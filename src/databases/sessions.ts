import pg from 'pg';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { guardWire, type WireBudget } from './wire-guard.ts';

/** What one statement of a session may bring, unless its user says otherwise. */
const USUAL: WireBudget = {
  rows: LIMITS.sessionBytes,
  row: LIMITS.sessionBytes,
  others: LIMITS.otherBytes,
  copy: true,
};

/** Connections outside of the pool, for what needs a session: migrations, backups. */
export class Sessions {
  readonly #open = new Map<pg.Client, string>();

  /**
   * @param database the one that `config` names
   * @param resultBytes what one statement may bring in rows
   */
  async open(config: pg.ClientConfig, database: string, resultBytes: number | undefined): Promise<pg.Client> {
    const client = new pg.Client(config);
    const budget = resultBytes === undefined ? USUAL : { ...USUAL, rows: resultBytes };
    const guard = guardWire(client, budget);
    client.connection.on('readyForQuery', () => guard.allow(budget));
    // Whoever uses it sees its statement fail.
    client.on('error', () => undefined);
    await client.connect();
    this.#open.set(client, database);
    client.on('end', () => this.#open.delete(client));
    return client;
  }

  /** Ends at once those on a database, or all. */
  end(database?: string): void {
    for (const [client, name] of this.#open) {
      if (database === undefined || name === database) client.connection.stream.destroy();
    }
  }
}
