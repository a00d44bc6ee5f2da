import EventEmitter from 'events/';

type Name = string | symbol;
type Listener = (...args: unknown[]) => void;
type Emitter = InstanceType<typeof EventEmitter>;
type Source = Emitter | EventTarget;
interface Options {
  readonly signal?: AbortSignal;
  /** Names of events that end the iteration. */
  readonly close?: readonly Name[];
}

const errorMonitor: unique symbol = Symbol('events.errorMonitor');

function abortError(signal: AbortSignal): Error {
  return Object.assign(new Error('The operation was aborted', { cause: signal.reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  });
}

function unhandled(context: unknown): Error {
  const { inspect } = require('./util.ts') as unknown as typeof import('node:util');
  const error = new Error(`Unhandled error. (${inspect(context)})`);
  return Object.assign(error, { code: 'ERR_UNHANDLED_ERROR', context });
}

function isEmitter(source: Source): source is Emitter {
  return typeof (source as Emitter).on === 'function';
}

/** Listens to an emitter or an EventTarget; answers how to stop. */
function listen(source: Source, name: Name, run: Listener): () => void {
  if (isEmitter(source)) {
    source.on(name, run);
    return () => source.removeListener(name, run);
  }
  if (typeof source?.addEventListener !== 'function') {
    throw new TypeError('The "emitter" argument must be an instance of EventEmitter or EventTarget');
  }
  source.addEventListener(name as string, run);
  return () => source.removeEventListener(name as string, run);
}

/** Resolves with the arguments of the next event; rejects with the next `error`, or when the signal aborts. */
function once(source: Source, name: Name, { signal }: Options = {}): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortError(signal);
    const stops: (() => void)[] = [];
    const settle = <T>(done: (value: T) => void, value: T) => {
      for (const stop of stops) stop();
      done(value);
    };
    stops.push(listen(source, name, (...args) => settle(resolve, args)));
    if (name !== 'error' && isEmitter(source)) {
      stops.push(listen(source, 'error', (error) => settle(reject, error)));
    }
    if (signal !== undefined) stops.push(listen(signal, 'abort', () => settle(reject, abortError(signal))));
  });
}

/** Iterates over the arguments of each event until an `error`, an event of `close`, `return()` or the signal's abort. */
function on(source: Source, name: Name, { signal, close = [] }: Options = {}): AsyncIterableIterator<unknown[]> {
  if (signal?.aborted) throw abortError(signal);
  const events: unknown[][] = [];
  const waiting: PromiseWithResolvers<IteratorResult<unknown[]>>[] = [];
  const stops: (() => void)[] = [];
  let failure: { readonly error: unknown } | null = null;
  let ended = false;

  const end = () => {
    ended = true;
    for (const stop of stops.splice(0)) stop();
    for (const { resolve } of waiting.splice(0)) resolve({ value: undefined, done: true });
  };
  const fail = (error: unknown) => {
    const first = waiting.shift();
    if (first === undefined) failure = { error };
    else first.reject(error);
    end();
  };
  stops.push(
    listen(source, name, (...args) => {
      const first = waiting.shift();
      if (first === undefined) events.push(args);
      else first.resolve({ value: args, done: false });
    }),
  );
  if (name !== 'error' && isEmitter(source)) stops.push(listen(source, 'error', fail));
  for (const each of close) stops.push(listen(source, each, end));
  if (signal !== undefined) stops.push(listen(signal, 'abort', () => fail(abortError(signal))));

  return {
    next() {
      const value = events.shift();
      if (value !== undefined) return Promise.resolve({ value, done: false });
      if (failure !== null) {
        const { error } = failure;
        failure = null;
        return Promise.reject(error);
      }
      if (ended) return Promise.resolve({ value: undefined, done: true });
      const next = Promise.withResolvers<IteratorResult<unknown[]>>();
      waiting.push(next);
      return next.promise;
    },
    return() {
      end();
      return Promise.resolve({ value: undefined, done: true });
    },
    throw(error) {
      fail(error);
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** `errorMonitor` is told of errors before whoever handles them; what nobody handles is thrown. */
function handleErrors(): void {
  const { emit } = EventEmitter.prototype;
  EventEmitter.prototype.emit = function (this: Emitter, name: Name, ...args: unknown[]): boolean {
    if (name === 'error' && this.listenerCount(errorMonitor) > 0) emit.call(this, errorMonitor, ...args);
    if (name === 'error' && this.listenerCount(name) === 0 && !(args[0] instanceof Error)) throw unhandled(args[0]);
    return emit.call(this, name, ...args);
  };
}
handleErrors();

Object.assign(EventEmitter, {
  errorMonitor,
  captureRejectionSymbol: Symbol.for('nodejs.rejection'),
  captureRejections: false,
  usingDomains: false,
  once,
  on,
  getEventListeners: (emitter: Emitter, name: Name) => emitter.listeners(name),
  getMaxListeners: (emitter: Emitter) => emitter.getMaxListeners(),
  /** For an EventTarget there is no bound to set. */
  setMaxListeners(most: number = EventEmitter.defaultMaxListeners, ...sources: Source[]): void {
    if (sources.length === 0) EventEmitter.defaultMaxListeners = most;
    for (const source of sources) if (isEmitter(source)) source.setMaxListeners(most);
  },
  addAbortListener(signal: AbortSignal, run: (event?: Event) => void): Disposable {
    if (signal.aborted) queueMicrotask(() => run());
    else signal.addEventListener('abort', run, { once: true });
    return { [Symbol.dispose]: () => signal.removeEventListener('abort', run) };
  },
});

export { EventEmitter as 'module.exports' };
