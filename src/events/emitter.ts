import { sql } from 'kysely';
import { type Db, runPrepared } from '../db/client.ts';
import type { Log } from '../log.ts';
import { EMIT_LIMITS } from './limits.ts';
import {
  DELIVERIES_CHANNEL,
  type EncodedEvent,
  encodeEvent,
  HINT_BYTES,
  insertEvents,
  type NewEvent,
} from './publish.ts';

export interface EmitterDeps {
  readonly db: Db;
  readonly log: Log;
  /** The dispatcher's: these plugins have something to deliver. */
  readonly poke: (plugins: readonly string[]) => void;
}

interface Waiting {
  readonly event: EncodedEvent;
  readonly resolve: (id: string) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Publishes events that have no other change beside them, in the order in which it is called: while one statement is under
 * way the next events gather, and go together. This core's dispatcher hears of them at once; the other cores by a hint
 * outside of the statement, since Postgres lets only one transaction that notifies commit at a time.
 */
export class Emitter {
  readonly #deps: EmitterDeps;
  #waiting: Waiting[] = [];
  #writing = false;
  readonly #toTell = new Set<string>();
  #telling = false;

  constructor(deps: EmitterDeps) {
    this.#deps = deps;
  }

  /**
   * @returns the event's id, once it is durable
   * @throws CodedError `invalid_input`, `payload_too_large`
   */
  async emit(event: NewEvent): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.push({ event: encodeEvent(event), resolve, reject });
    if (!this.#writing) void this.#write();
    return promise;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#next());
      try {
        const plugins = await this.#store(batch.map(({ event }) => event));
        for (const { event, resolve } of batch) resolve(event.id);
        if (plugins.length > 0) this.#told(plugins);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  /** How many of those that wait go into one statement. */
  #next(): number {
    let chars = 0;
    const over = this.#waiting.findIndex(({ event }, n) => {
      chars += event.data.length;
      return n === EMIT_LIMITS.batch || (n > 0 && chars > EMIT_LIMITS.batchChars);
    });
    return over === -1 ? this.#waiting.length : over;
  }

  async #store(events: readonly EncodedEvent[]): Promise<string[]> {
    const statement = sql<{ plugin_name: string }>`${insertEvents(events)} select distinct plugin_name from delivery`;
    const rows = await runPrepared(this.#deps.db, 'emit_events', statement);
    return rows.map(({ plugin_name }) => plugin_name);
  }

  #told(plugins: readonly string[]): void {
    this.#deps.poke(plugins);
    for (const plugin of plugins) this.#toTell.add(plugin);
    if (this.#telling) return;
    this.#telling = true;
    setTimeout(() => void this.#tell(), EMIT_LIMITS.hintMs);
  }

  async #tell(): Promise<void> {
    const names = [...this.#toTell].join(' ');
    this.#toTell.clear();
    this.#telling = false;
    const hint = names.length <= HINT_BYTES ? names : '';
    try {
      // Nothing is lost with it, so it need not wait for the disk.
      await sql`
        select set_config('synchronous_commit', 'off', true), pg_notify(${DELIVERIES_CHANNEL}, ${hint})
      `.execute(this.#deps.db);
    } catch (error) {
      this.#deps.log.debug({ err: error }, 'other cores were not told of events; they find them by themselves');
    }
  }
}
