import { keepContext } from '../web/async-context.ts';

type AnyFunction = (this: unknown, ...args: never[]) => unknown;
/** What is stored, by storage; never changed, a new one is made. */
type Context = ReadonlyMap<object, unknown>;

let current: Context | null = null;
let lastId = 1;

const { apply } = Reflect;
const NativePromise = Promise;
const nativeResolve = Promise.resolve;
const nativeThen = Promise.prototype.then;

/** Runs in a context and comes back to the one before, whatever `enterWith` does meanwhile. */
function runIn<T extends AnyFunction>(context: Context | null, self: unknown, callback: T, args: unknown[]): unknown {
  const before = current;
  current = context;
  try {
    return apply(callback, self, args);
  } finally {
    current = before;
  }
}

function bind<T extends AnyFunction>(callback: T): T {
  const context = current;
  return function (this: unknown, ...args: unknown[]) {
    return runIn(context, this, callback, args);
  } as unknown as T;
}

const bound = (callback: unknown): unknown =>
  typeof callback === 'function' ? bind(callback as AnyFunction) : callback;

/**
 * V8 tells an isolate nothing of its promises. Bundles that ask for this module are translated, so that each `await` of
 * theirs calls `then` (KEEPS_CONTEXT, runtime/protocol/node-modules.ts).
 */
function bindPromises(): void {
  const replace = (object: object, name: string, value: unknown) =>
    Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
  const then = function (this: Promise<unknown>, done: unknown, failed: unknown) {
    return apply(nativeThen, this, [bound(done), bound(failed)]);
  };
  replace(Promise.prototype, 'then', Object.defineProperty(then, 'name', { value: 'then' }));
  // V8 calls the `then` of what is no promise later, out of any context.
  const resolve = function (this: unknown, value: unknown) {
    const other = typeof value === 'object' && value !== null && !(value instanceof NativePromise);
    const foreign = other ? (value as { then?: unknown }).then : undefined;
    if (typeof foreign !== 'function') return apply(nativeResolve, this, [value]);
    const run = bind((done: unknown, failed: unknown) => apply(foreign as never, value, [done, failed] as never));
    return apply(nativeResolve, this, [replace({}, 'then', run)]);
  };
  replace(Promise, 'resolve', Object.defineProperty(resolve, 'name', { value: 'resolve' }));
}

bindPromises();
keepContext(bind as Parameters<typeof keepContext>[0], () => {
  current = null;
});

interface StorageOptions<T> {
  readonly defaultValue?: T;
  readonly name?: string;
}

/** A value that goes with the calls, callbacks and awaits that come of one call. */
export class AsyncLocalStorage<T> {
  readonly name: string;
  readonly #fallback: T | undefined;

  constructor({ defaultValue, name = '' }: StorageOptions<T> = {}) {
    this.#fallback = defaultValue;
    this.name = name;
  }

  /** A function that runs as in the context of now, with the `this` that it is called with. */
  static bind<F extends AnyFunction>(callback: F): F {
    return bind(checked(callback));
  }

  /** A function that runs another in the context of now: `snapshot()(callback, ...args)`. */
  static snapshot(): (callback: AnyFunction, ...args: unknown[]) => unknown {
    return bind(function (this: unknown, callback: AnyFunction, ...args: unknown[]) {
      return apply(callback, this, args as never);
    });
  }

  getStore(): T | undefined {
    return current?.has(this) ? (current.get(this) as T) : this.#fallback;
  }

  run<R>(store: T, callback: (...args: never[]) => R, ...args: unknown[]): R {
    return runIn(this.#with(store), undefined, checked(callback), args) as R;
  }

  exit<R>(callback: (...args: never[]) => R, ...args: unknown[]): R {
    return runIn(this.#without(), undefined, checked(callback), args) as R;
  }

  /** For the rest of what runs now, and what comes of it. */
  enterWith(store: T): void {
    current = this.#with(store);
  }

  /** Until the next `run` or `enterWith`, for the rest of what runs now. */
  disable(): void {
    current = this.#without();
  }

  #with(store: T): Context {
    return new Map(current).set(this, store);
  }

  #without(): Context {
    const context = new Map(current);
    context.delete(this);
    return context;
  }
}

interface ResourceOptions {
  readonly triggerAsyncId?: number;
  readonly requireManualDestroy?: boolean;
}

/** Keeps the context that it was made in, for callbacks of one's own. */
export class AsyncResource {
  readonly #context = current;
  readonly #id = ++lastId;
  readonly #trigger: number;

  constructor(type: string, options: number | ResourceOptions = {}) {
    if (typeof type !== 'string') throw invalid('type', 'string');
    this.#trigger = typeof options === 'number' ? options : (options.triggerAsyncId ?? 0);
  }

  static bind<F extends AnyFunction>(callback: F, type?: string, self?: unknown): F {
    return new AsyncResource(type ?? (callback.name || 'bound-anonymous-fn')).bind(callback, self);
  }

  bind<F extends AnyFunction>(callback: F, self?: unknown): F {
    checked(callback);
    const resource = this;
    return function (this: unknown, ...args: unknown[]) {
      return resource.runInAsyncScope(callback as (...args: never[]) => unknown, self ?? this, ...args);
    } as unknown as F;
  }

  runInAsyncScope<R>(callback: (...args: never[]) => R, self?: unknown, ...args: unknown[]): R {
    return runIn(this.#context, self, checked(callback), args) as R;
  }

  emitDestroy(): this {
    return this;
  }

  asyncId(): number {
    return this.#id;
  }

  triggerAsyncId(): number {
    return this.#trigger;
  }
}

function checked<F>(callback: F): F & AnyFunction {
  if (typeof callback !== 'function') throw invalid('callback', 'function');
  return callback as F & AnyFunction;
}

function invalid(name: string, expected: string): TypeError {
  const error = new TypeError(`The "${name}" argument must be of type ${expected}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** @throws Error always: V8 tells an isolate nothing that hooks could be told. */
export function createHook(): never {
  throw new Error('async_hooks.createHook() is not available in a plugin: use AsyncLocalStorage');
}

/** Always that of the top level: resources are not followed. */
export const executionAsyncId = (): number => 1;
export const triggerAsyncId = (): number => 0;
const topLevel = {};
export const executionAsyncResource = (): object => topLevel;
