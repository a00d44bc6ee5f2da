import type { Caller } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { Connection } from './connection.ts';

/** A place among a plugin's sockets; it is taken until `free`. */
export interface Slot {
  readonly id: number;
  free(): void;
}

/** A socket that is open, as the plugin that it belongs to may name it. */
export interface OpenSocket {
  readonly connection: Connection;
  /** Where TLS goes to, as long as it has not begun and may. */
  startTls: ((sni: string | null, signal: AbortSignal) => Promise<string | null>) | null;
}

interface Entry {
  readonly plugin: string;
  readonly isolate: number;
  socket: OpenSocket | null;
}

/** Ids are 31 bits on the wire; at a thousand sockets a second they last for 24 days, and those in use are skipped. */
const MAX_ID = 2 ** 31 - 1;

/** Counts the sockets of each plugin, and knows them by the isolate that opened them. */
export class Sockets {
  readonly #most: number;
  readonly #entries = new Map<number, Entry>();
  readonly #counts = new Map<string, number>();
  #lastId = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws CodedError `quota_exceeded` when the plugin has as many as it may */
  begin({ plugin, isolate }: Caller): Slot {
    const count = this.#counts.get(plugin) ?? 0;
    if (count >= this.#most) {
      throw new CodedError('quota_exceeded', `At most ${this.#most} sockets at once; close others first`);
    }
    this.#counts.set(plugin, count + 1);
    do this.#lastId = (this.#lastId % MAX_ID) + 1;
    while (this.#entries.has(this.#lastId));
    const id = this.#lastId;
    this.#entries.set(id, { plugin, isolate, socket: null });
    return { id, free: () => this.#free(id) };
  }

  opened(id: number, socket: OpenSocket): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.socket = socket;
  }

  /** @throws CodedError `network_failed` when the isolate has no such socket, or no more */
  of({ isolate }: Caller, id: number): OpenSocket {
    const entry = this.#entries.get(id);
    if (entry?.isolate === isolate && entry.socket !== null) return entry.socket;
    throw new CodedError('network_failed', 'The socket is closed');
  }

  #free(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const left = (this.#counts.get(entry.plugin) ?? 0) - 1;
    if (left > 0) this.#counts.set(entry.plugin, left);
    else this.#counts.delete(entry.plugin);
  }
}
