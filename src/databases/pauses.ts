import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

interface Pause {
  readonly over: Promise<void>;
  readonly end: () => void;
}

/** Plugins whose calls wait while their database is exchanged. */
export class Pauses {
  readonly #paused = new Map<string, Pause>();

  /** @returns ends it. @throws CodedError `plugin_busy` when it is paused already */
  begin(plugin: string): () => void {
    if (this.#paused.has(plugin)) {
      throw new CodedError('plugin_busy', `The database of ${plugin} is being exchanged already`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      if (this.#paused.get(plugin)?.over !== promise) return;
      this.#paused.delete(plugin);
      resolve();
    };
    this.#paused.set(plugin, { over: promise, end });
    return end;
  }

  has(plugin: string): boolean {
    return this.#paused.has(plugin);
  }

  /** Resolves when the plugin is not paused. @throws the signal's reason */
  async passed(plugin: string, signal: AbortSignal): Promise<void> {
    for (let pause = this.#paused.get(plugin); pause !== undefined; pause = this.#paused.get(plugin)) {
      signal.throwIfAborted();
      const { promise, reject } = Promise.withResolvers<never>();
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        await Promise.race([pause.over, promise]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    }
  }
}
