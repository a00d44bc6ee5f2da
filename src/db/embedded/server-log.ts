import type { Log } from '../../log.ts';

const KEPT_LINES = 20;
const MAX_LINE = 2_000;
/** Said for each connection that a shutdown, a drop of its database, or the core itself cuts off. */
const ON_REQUEST = /terminating connection due to administrator command|connection to client lost/;

/** Takes what the server writes to standard error over into the core's log, and keeps the last lines. */
export class ServerLog {
  readonly #log: Log;
  readonly #lines: string[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** The last lines, for an error message. */
  get last(): string {
    return this.#lines.join('\n') || 'it said nothing';
  }

  /** Reads until the server closes the stream. */
  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = (lines.pop() ?? '').slice(0, MAX_LINE);
      for (const line of lines) this.#take(line);
    }
    if (rest !== '') this.#take(rest);
  }

  #take(line: string): void {
    const text = line.slice(0, MAX_LINE);
    this.#lines.push(text);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    const serious = /^(WARNING|ERROR|FATAL|PANIC):/.test(text) && !ON_REQUEST.test(text);
    this.#log[serious ? 'warn' : 'debug']({ postgres: text }, 'postgres says');
  }
}
