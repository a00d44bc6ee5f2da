import { Event } from '../event.ts';
import { dispatch, scope } from '../event-target.ts';
import { ReflectApply } from '../intrinsics.ts';
import { handlerOf, setHandler } from './handlers.ts';
import { exposeInterface } from './members.ts';

const unsignedLong = (value: unknown): number => Number(value) >>> 0;

/** `ErrorEvent` of the HTML standard. */
export class ErrorEvent extends Event {
  readonly #message: string;
  readonly #filename: string;
  readonly #lineno: number;
  readonly #colno: number;
  readonly #error: unknown;

  constructor(type: string, init?: ErrorEventInit) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'ErrorEvent': 1 argument required");
    super(type, init);
    this.#message = init?.message === undefined ? '' : `${init.message}`;
    this.#filename = init?.filename === undefined ? '' : `${init.filename}`.toWellFormed();
    this.#lineno = unsignedLong(init?.lineno ?? 0);
    this.#colno = unsignedLong(init?.colno ?? 0);
    this.#error = init?.error;
  }

  get message(): string {
    return this.#message;
  }
  get filename(): string {
    return this.#filename;
  }
  get lineno(): number {
    return this.#lineno;
  }
  get colno(): number {
    return this.#colno;
  }
  get error(): unknown {
    return this.#error;
  }
}
exposeInterface(ErrorEvent, 'ErrorEvent');

/** `PromiseRejectionEvent` of the HTML standard. */
export class PromiseRejectionEvent extends Event {
  readonly #promise: object;
  readonly #reason: unknown;

  constructor(type: string, init: PromiseRejectionEventInit) {
    if (arguments.length < 2) throw new TypeError("Failed to construct 'PromiseRejectionEvent': 2 arguments required");
    super(type, init);
    const { promise, reason } = init ?? {};
    if ((typeof promise !== 'object' && typeof promise !== 'function') || promise === null) {
      throw new TypeError("Failed to construct 'PromiseRejectionEvent': the promise is not an object");
    }
    this.#promise = promise;
    this.#reason = reason;
  }

  get promise(): object {
    return this.#promise;
  }
  get reason(): unknown {
    return this.#reason;
  }
}
exposeInterface(PromiseRejectionEvent, 'PromiseRejectionEvent');

/** The place of the topmost frame in a stack of V8. */
const FRAME = /^\s+at .*?\(?([^\s()]+):(\d+):(\d+)\)?$/m;

/** Tells the guest's listeners of an error that nobody caught; true when one of them took care of it. */
export function errorHandled(error: unknown): boolean {
  const stack = Error.isError(error) ? (error as Error).stack : undefined;
  const [, filename = '', line = 0, column = 0] = (typeof stack === 'string' && FRAME.exec(stack)) || [];
  const init = { filename, lineno: Number(line), colno: Number(column), error };
  return !dispatch(scope, new ErrorEvent('error', { ...init, message: `Uncaught ${error}`, cancelable: true }));
}

/** Tells the guest's listeners of a rejection that nobody handled; true when one of them took care of it. */
export function rejectionHandled(reason: unknown): boolean {
  const promise = Promise.reject(reason);
  promise.catch(() => undefined);
  return !dispatch(scope, new PromiseRejectionEvent('unhandledrejection', { promise, reason, cancelable: true }));
}

/** `onerror` of the global object gets the parts of an event, and takes care of the error by answering true. */
function callOnError(handler: (...args: never[]) => unknown, event: Event): void {
  const args =
    event instanceof ErrorEvent ? [event.message, event.filename, event.lineno, event.colno, event.error] : [event];
  if (ReflectApply(handler, event.currentTarget, args) === true) event.preventDefault();
}

export function globalHandler(type: string): unknown {
  return handlerOf(scope, type);
}

export function setGlobalHandler(type: string, value: unknown): void {
  if (type === 'error') setHandler(scope, type, value, callOnError);
  else setHandler(scope, type, value);
}
