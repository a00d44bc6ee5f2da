import { readFileSync } from 'node:fs';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginConnection } from './connection.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import type { Uses } from './uses.ts';

/**
 * Ends server processes that take too much memory for a plugin, whatever `work_mem` says: those that are this machine's, which
 * their title tells. (The embedded server bounds them too: `ulimit -d` in src/db/embedded.ts.)
 */
export class MemoryWatch {
  readonly #uses: Uses;
  /** Whether the process of a connection is one of this machine. */
  readonly #isHere = new WeakMap<PluginConnection, boolean>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(uses: Uses) {
    this.#uses = uses;
  }

  /** Looks until there is nothing under way. */
  start(): void {
    this.#timer ??= setInterval(() => this.#look(), LIMITS.memoryMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Postgres' processes are called `postgres: <role> <database> ..`: such a name is on no other machine. */
  #canSee(connection: PluginConnection): boolean {
    let isHere = this.#isHere.get(connection);
    if (isHere === undefined) {
      isHere = readText(`/proc/${connection.processId}/cmdline`).includes(connection.database);
      this.#isHere.set(connection, isHere);
    }
    return isHere;
  }

  #look(): void {
    if (this.#uses.size === 0) this.stop();
    for (const use of [...this.#uses.all]) {
      const { connection } = use;
      if (connection === null || !this.#canSee(connection)) continue;
      if (ownBytes(connection.processId) <= LIMITS.memoryBytes) continue;
      const message = `The statement took over ${LIMITS.memoryBytes} bytes of memory: sort, join or aggregate less at a time`;
      use.abort(new CodedError('database_error', message, { sqlstate: '53200' }));
      connection.destroy();
    }
  }
}

/** Bytes that a process has for itself; 0 when it is gone. */
function ownBytes(processId: number): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readText(`/proc/${processId}/status`))?.[1] ?? 0) * 1_024;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not Linux, another machine's, or gone meanwhile.
    return '';
  }
}
