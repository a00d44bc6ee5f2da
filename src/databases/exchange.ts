import pg from 'pg';

/** The messages of the extended protocol, as pg's connection sends them. */
export interface Wire {
  parse(message: { readonly name?: string; readonly text: string }): void;
  bind(message: { readonly portal?: string; readonly values: readonly (string | null)[] }): void;
  describe(message: { readonly type: 'P'; readonly name?: string }): void;
  execute(message: { readonly portal?: string; readonly rows?: number }): void;
  close(message: { readonly type: 'P'; readonly name: string }): void;
}

/** Column of a result as the server describes it. */
export type Field = Pick<pg.FieldDef, 'name' | 'dataTypeID'>;

/** What came of an exchange. */
export interface Outcome {
  /** Null when nothing was described: no rows belong to it. */
  readonly fields: readonly Field[] | null;
  readonly rows: readonly (readonly (string | null)[])[];
  /** Such as `INSERT 0 1`; empty when nothing was executed, or not to its end. */
  readonly tag: string;
  /** There are more rows than were asked for. */
  readonly suspended: boolean;
}

/** More rows than were asked for; what the statement did is undone. */
export class TooManyRows extends Error {}

type Values = readonly (string | null)[];

export interface ExchangeOptions {
  /** Whether the server is asked for ReadyForQuery only when the statement has run: then its result decides. */
  readonly syncLater?: boolean;
  /** Sends what resets the session right behind it; `Reset` takes up the answer. */
  readonly resets?: boolean;
}

/** Forgets all that a use left in a session: settings, prepared statements, cursors, locks, channels. */
export const RESET = 'discard all';

/**
 * One round of messages on a connection, from sending to ReadyForQuery; give it to `client.query`. Unlike pg's own query it
 * is only ever prepared (so one statement), takes values as they are, and settles when the connection is ready again.
 */
export class Exchange implements pg.Submittable {
  readonly done: Promise<Outcome>;
  /** Called when the connection is ready again, before anything else happens on it. */
  onReady: () => void = () => undefined;
  readonly #plan: (wire: Wire) => void;
  readonly #options: ExchangeOptions;
  #fields: readonly Field[] | null = null;
  readonly #rows: (string | null)[][] = [];
  #tag = '';
  #suspended = false;
  #failure: Error | null = null;
  #resolve: (outcome: Outcome) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  /** @param plan sends all messages but Sync */
  constructor(plan: (wire: Wire) => void, options: ExchangeOptions = {}) {
    this.#plan = plan;
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get resets(): boolean {
    return this.#options.resets === true;
  }

  submit = (connection: pg.Connection): null => {
    connection.stream.cork();
    try {
      this.#plan(connection as unknown as Wire);
      if (this.#options.syncLater) connection.flush();
      else this.#sync(connection);
    } finally {
      connection.stream.uncork();
    }
    return null;
  };

  handleRowDescription(message: { readonly fields: readonly Field[] }): void {
    this.#fields = message.fields;
  }

  handleDataRow(message: { readonly fields: (string | null)[] }): void {
    this.#rows.push(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }, connection: pg.Connection): void {
    this.#tag = message.text;
    if (this.#options.syncLater) this.#sync(connection);
  }

  handleEmptyQuery(connection: pg.Connection): void {
    if (this.#options.syncLater) this.#sync(connection);
  }

  handlePortalSuspended(connection: pg.Connection): void {
    this.#suspended = true;
    if (!this.#options.syncLater) return;
    // Before Sync nothing is committed: an error, of a portal that does not exist, undoes it.
    this.#failure = new TooManyRows();
    (connection as unknown as Wire).execute({ portal: 'none' });
    this.#sync(connection);
  }

  handleReadyForQuery(): void {
    this.onReady();
    this.#resolve({ fields: this.#fields, rows: this.#rows, tag: this.#tag, suspended: this.#suspended });
  }

  /** An error of the server's comes before ReadyForQuery; any other is the end of the connection. */
  handleError(error: Error, connection: pg.Connection): void {
    const failure = this.#failure ?? error;
    if (!(error instanceof pg.DatabaseError)) {
      this.#reject(failure);
      return;
    }
    if (this.#options.syncLater && this.#failure === null) this.#sync(connection);
    const settle = (): void => {
      connection.off('readyForQuery', ready);
      connection.off('end', settle);
      this.#reject(failure);
    };
    const ready = (): void => {
      this.onReady();
      settle();
    };
    connection.on('readyForQuery', ready);
    connection.on('end', settle);
  }

  handleCopyInResponse(connection: pg.Connection): void {
    connection.stream.destroy();
  }

  handleCopyData(): void {}

  #sync(connection: pg.Connection): void {
    connection.sync();
    if (this.resets) connection.query(RESET);
  }
}

/** Takes up the answer to the `RESET` that an exchange sent along; it sends nothing itself. */
export class Reset implements pg.Submittable {
  readonly done: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit = (): null => null;

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#resolve();
  }

  handleError(error: Error): void {
    this.#reject(error);
  }
}

/**
 * Runs a statement outside of a transaction, and resets the session. More than `maxRows` rows are too many.
 *
 * @param isUndone whether what it did is undone then: costs a message back and forth
 */
export function once(sql: string, values: Values, maxRows: number, isUndone: boolean): Exchange {
  return new Exchange((wire) => execute(wire, sql, values, maxRows), { syncLater: isUndone, resets: true });
}

/** Runs a statement in the transaction that there is, if any; `suspended` when there are more than `maxRows` rows. */
export function inTransaction(sql: string, values: Values, maxRows: number): Exchange {
  return new Exchange((wire) => execute(wire, sql, values, maxRows));
}

function execute(wire: Wire, sql: string, values: Values, maxRows: number): void {
  wire.parse({ text: sql });
  wire.bind({ values });
  wire.describe({ type: 'P' });
  wire.execute({ rows: maxRows });
}

/** Opens a portal in a transaction; nothing of the statement runs yet. */
export function openPortal(portal: string, sql: string, values: Values): Exchange {
  return new Exchange((wire) => {
    wire.parse({ text: sql });
    wire.bind({ portal, values });
    wire.describe({ type: 'P', name: portal });
  });
}

/** The next rows of a portal; `suspended` when there are more. */
export function fetchPortal(portal: string, rows: number): Exchange {
  return new Exchange((wire) => {
    wire.execute({ portal, rows });
  });
}

export function closePortal(portal: string): Exchange {
  return new Exchange((wire) => {
    wire.close({ type: 'P', name: portal });
  });
}
