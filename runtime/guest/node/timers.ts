import * as platform from '../web/timers.ts';

/** What Node's timers answer instead of a number. Nothing here waits for timers, so that `ref` and `unref` only answer. */
class Timeout {
  readonly #start: () => number;
  #id: number;
  #referenced = true;

  constructor(start: () => number) {
    this.#start = start;
    this.#id = start();
  }

  ref(): this {
    this.#referenced = true;
    return this;
  }

  unref(): this {
    this.#referenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.#referenced;
  }

  refresh(): this {
    platform.clearTimeout(this.#id);
    this.#id = this.#start();
    return this;
  }

  close(): this {
    platform.clearTimeout(this.#id);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.#id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export class Immediate extends Timeout {}

export function setTimeout(callback: unknown, delay?: unknown, ...args: unknown[]): Timeout {
  return new Timeout(() => platform.setTimeout(callback, delay, ...args));
}

export function setInterval(callback: unknown, delay?: unknown, ...args: unknown[]): Timeout {
  return new Timeout(() => platform.setInterval(callback, delay, ...args));
}

export function setImmediate(callback: unknown, ...args: unknown[]): Immediate {
  return new Immediate(() => platform.setTimeout(callback, 0, ...args));
}

/** Takes what Node's timers answer and the numbers of the platform's. */
export function clearTimeout(timer?: unknown): void {
  if (timer !== null && timer !== undefined) platform.clearTimeout(Number(timer));
}

export { clearTimeout as clearImmediate, clearTimeout as clearInterval, Timeout };

interface Options {
  readonly signal?: AbortSignal;
}

function wait<T>(value: T, delay: unknown, { signal }: Options = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortError(signal);
    const aborted = () => {
      platform.clearTimeout(id);
      reject(abortError(signal));
    };
    const id = platform.setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve(value);
    }, delay);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

function abortError(signal: AbortSignal | undefined): Error {
  return Object.assign(new Error('The operation was aborted', { cause: signal?.reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  });
}

async function* every<T>(delay: unknown, value: T, options?: Options): AsyncGenerator<T> {
  for (;;) yield await wait(value, delay, options);
}

/** `node:timers/promises`. */
export const promises = {
  setTimeout: <T>(delay?: unknown, value?: T, options?: Options) => wait(value, delay, options),
  setImmediate: <T>(value?: T, options?: Options) => wait(value, 0, options),
  setInterval: <T>(delay?: unknown, value?: T, options?: Options) => every(delay, value, options),
  scheduler: {
    wait: (delay: unknown, options?: Options) => wait(undefined, delay, options),
    yield: () => wait(undefined, 0),
  },
};
