import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

const NEWLINE = 0x0a;

/**
 * The rows of a table in COPY's text format, a line each, as they come.
 *
 * @param statement `copy ... to stdout`
 * @param onRows called with the number of rows once they have all come
 */
export async function* copyOut(
  session: pg.Client,
  statement: string,
  onRows: (rows: number) => void,
): AsyncGenerator<Uint8Array> {
  let rows = 0;
  const stream = session.query(copyTo(statement));
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    // A line break inside a value is written as \n, so each of these ends a row.
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) rows += 1;
    yield chunk;
  }
  onRows(rows);
}

/**
 * Fills a table with what `copyOut` gave.
 *
 * @param statement `copy ... from stdin`
 * @param idleMs milliseconds that the server may take between two chunks: then the connection is ended
 * @returns how many rows there were
 */
export async function copyIn(
  session: pg.Client,
  statement: string,
  chunks: AsyncIterable<Uint8Array>,
  idleMs = Number.POSITIVE_INFINITY,
): Promise<number> {
  const stream = session.query(copyFrom(statement));
  const clock = new Clock(session, idleMs);
  const timed = async function* () {
    for await (const chunk of chunks) {
      clock.wind();
      yield chunk;
      clock.wind();
    }
  };
  try {
    clock.wind();
    await pipeline(Readable.from(timed(), { objectMode: false }), stream);
  } finally {
    clock.stop();
  }
  return stream.rowCount ?? 0;
}

/** Ends a connection that takes too long: whoever waits for it hears that it is lost. */
export class Clock {
  readonly #session: pg.Client;
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(session: pg.Client, ms: number) {
    this.#session = session;
    this.#ms = ms;
  }

  /** Begins to count anew. */
  wind(): void {
    this.stop();
    if (!Number.isFinite(this.#ms)) return;
    this.#timer = setTimeout(() => this.#session.connection.stream.destroy(), this.#ms);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
