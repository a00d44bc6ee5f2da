import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** Bytes that the server may send until the next call of `allow`. */
export interface WireBudget {
  /** Of all rows together. */
  readonly rows: number;
  /** Of one row. */
  readonly row: number;
  /** Of all else: descriptions, errors, notices, changed settings, notifications. */
  readonly others: number;
  /** Whether COPY may begin. */
  readonly copy: boolean;
}

/** Type and length in front of each message of the protocol (PostgreSQL 3.0, "Message Formats"). */
const HEADER_BYTES = 5;
const DATA_ROW = 'D'.charCodeAt(0);
/** CopyInResponse, CopyOutResponse, CopyBothResponse. */
const COPY: ReadonlySet<number> = new Set([...'GHW'].map((letter) => letter.charCodeAt(0)));
const COPY_DATA = 'd'.charCodeAt(0);

/**
 * Counts what a server sends before pg takes it up: pg buffers each message whole, however large, and keeps all rows. What
 * goes over the budget ends the connection at once, in the middle of a message if need be.
 */
export class WireGuard {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the message that are still to come. */
  #rest = 0;
  #budget: WireBudget;
  #rows = 0;
  #others = 0;

  constructor(budget: WireBudget) {
    this.#budget = budget;
  }

  /** Starts to count anew. */
  allow(budget: WireBudget): void {
    this.#budget = budget;
    this.#rows = 0;
    this.#others = 0;
  }

  /** Bytes of rows since then. */
  get rowBytes(): number {
    return this.#rows;
  }

  /** Looks at the next bytes. @returns why they are too much, or null */
  look(chunk: Buffer): CodedError | null {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const passed = Math.min(this.#rest, chunk.length - at);
        this.#rest -= passed;
        at += passed;
        continue;
      }
      const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
      chunk.copy(this.#header, this.#headerBytes, at, at + taken);
      this.#headerBytes += taken;
      at += taken;
      if (this.#headerBytes < HEADER_BYTES) break;
      this.#headerBytes = 0;
      // The length counts itself, but not the type.
      const bytes = this.#header.readUInt32BE(1) + 1;
      this.#rest = bytes - HEADER_BYTES;
      const refusal = this.#count(this.#header[0] ?? 0, bytes);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #count(type: number, bytes: number): CodedError | null {
    const { rows, row, others, copy } = this.#budget;
    if (COPY.has(type) && !copy) {
      const message = 'COPY is not available to plugins: use insert with arrays (unnest), or database.stream';
      return new CodedError('database_error', message, { sqlstate: '0A000' });
    }
    if (type === DATA_ROW || type === COPY_DATA) {
      this.#rows += bytes;
      if (bytes > row) return tooLarge(`One row is over ${row} bytes`, row);
      if (this.#rows > rows) return tooLarge(`The rows are over ${rows} bytes`, rows);
      return null;
    }
    this.#others += bytes;
    return this.#others > others
      ? tooLarge(`Errors, notices and descriptions of the statement are over ${others} bytes`, others)
      : null;
  }
}

function tooLarge(what: string, limit: number): CodedError {
  const message = `${what}: select fewer columns, page by page with limit, or read rows with database.stream`;
  return new CodedError('database_result_too_large', message, { limit });
}

/** What pg's connection listens to. */
interface Source {
  on(event: string, listener: (chunk: Buffer) => void): unknown;
}

interface Attaching {
  attachListeners?: (stream: Source) => void;
}

/**
 * Puts a guard between a client's socket (TLS taken off) and its parser. Before `connect`.
 * @throws Error when pg has no such place any more: an update of it needs another one
 */
export function guardWire(client: pg.Client, budget: WireBudget): WireGuard {
  const guard = new WireGuard(budget);
  const connection = client.connection as pg.Connection & Attaching;
  const attach = connection.attachListeners;
  if (attach === undefined) throw new Error('This version of pg has no Connection.attachListeners to guard');
  connection.attachListeners = (stream) => {
    const guarded: Source = {
      on(event, listener) {
        if (event !== 'data') return stream.on(event, listener);
        return stream.on('data', (chunk) => {
          const refusal = guard.look(chunk);
          if (refusal === null) listener(chunk);
          else (stream as Duplex).destroy(refusal);
        });
      },
    };
    attach.call(connection, guarded);
  };
  return guard;
}
