import extracted from 'node-inspect-extracted';
import { Buffer } from './buffer.ts';
import * as types from './util-types.ts';

type Callback = (error: unknown, value?: unknown) => void;
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

const { inspect, format, formatWithOptions, stripVTControlCharacters } = extracted;

const custom: unique symbol = Symbol.for('nodejs.util.promisify.custom') as never;

/** A function that takes a callback last, as one that answers a promise. */
function promisify(original: AnyFunction & { [custom]?: AnyFunction }): AnyFunction {
  if (typeof original !== 'function') throw invalidType('original', 'function', original);
  const own = original[custom];
  if (own !== undefined) {
    if (typeof own !== 'function') throw invalidType('util.promisify.custom', 'function', own);
    return Object.defineProperty(own, custom, { value: own, configurable: true });
  }
  const promised: AnyFunction = function (...args) {
    return new Promise((resolve, reject) => {
      const done: Callback = (error, value) => (error ? reject(error) : resolve(value));
      original.call(this, ...args, done);
    });
  };
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  Object.defineProperty(promised, custom, { value: promised, configurable: true });
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = custom;

/** A function that answers a promise, as one that takes a callback last. */
function callbackify(original: (...args: unknown[]) => Promise<unknown>): AnyFunction {
  if (typeof original !== 'function') throw invalidType('original', 'function', original);
  return function (...args) {
    const done = args.pop() as Callback;
    if (typeof done !== 'function') throw invalidType('last argument', 'function', done);
    // Out of the promise, so that what the callback throws is nobody's rejection.
    const call = (error: unknown, value?: unknown) => queueMicrotask(() => done.call(this, error, value));
    original.apply(this, args).then(
      (value) => call(null, value),
      (reason) =>
        call(
          reason ||
            Object.assign(new Error('Promise was rejected with a falsy value'), {
              reason,
              code: 'ERR_FALSY_VALUE_REJECTION',
            }),
        ),
    );
  };
}

function invalidType(name: string, expected: string, actual: unknown): TypeError {
  const text = `The "${name}" argument must be of type ${expected}. Received ${inspect(actual)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

function inherits(child: { prototype: object }, parent: { prototype: object }): void {
  Object.defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(child.prototype, parent.prototype);
}

const warned = new Set<string>();

/** Warns once of what is outdated, when it is called. */
function deprecate(outdated: AnyFunction, message: string, code = message): AnyFunction {
  let told = false;
  const wrapped: AnyFunction = function (...args) {
    if (!told && !warned.has(code)) console.warn(`DeprecationWarning: ${message}`);
    told = true;
    warned.add(code);
    return new.target === undefined ? outdated.apply(this, args) : Reflect.construct(outdated, args, new.target);
  };
  Object.setPrototypeOf(wrapped, outdated);
  wrapped.prototype = outdated.prototype;
  return wrapped;
}

/** `NODE_DEBUG` is never set, so that it writes nothing. */
function debuglog(): AnyFunction & { enabled: boolean } {
  return Object.assign(() => undefined, { enabled: false });
}

function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  const { isDeepStrictEqual: equal } = require('./deep-equal.ts') as typeof import('./deep-equal.ts');
  return equal(a, b);
}

/** Text between the escape codes of styles of `inspect.colors`: as it is unless told so, since logs are no terminal. */
function styleText(styles: string | readonly string[], text: string, { validateStream = true } = {}): string {
  const styled = [styles].flat().reduceRight((inner, style) => {
    const codes = (inspect.colors as unknown as Readonly<Record<string, readonly [number, number]>>)[style];
    if (codes === undefined) throw invalidType('format', `one of ${Object.keys(inspect.colors).join()}`, style);
    return `\u001b[${codes[0]}m${inner}\u001b[${codes[1]}m`;
  }, text);
  return validateStream ? text : styled;
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** `node:util`; the tests of types below `types` are those that old packages still call. */
const util = {
  inspect,
  format,
  formatWithOptions,
  stripVTControlCharacters,
  promisify,
  callbackify,
  inherits,
  deprecate,
  debuglog,
  debug: debuglog,
  isDeepStrictEqual,
  styleText,
  aborted,
  toUSVString: (text: unknown): string => String(text).toWellFormed(),
  get TextDecoder() {
    return globalThis.TextDecoder;
  },
  get TextEncoder() {
    return globalThis.TextEncoder;
  },
  types: { ...types },
  isArray: Array.isArray,
  isBoolean: (value: unknown) => typeof value === 'boolean',
  isBuffer: (value: unknown) => Buffer.isBuffer(value),
  isDate: types.isDate,
  isError: types.isNativeError,
  isFunction: (value: unknown) => typeof value === 'function',
  isNull: (value: unknown) => value === null,
  isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  isNumber: (value: unknown) => typeof value === 'number',
  isObject: (value: unknown) => typeof value === 'object' && value !== null,
  isPrimitive: (value: unknown) => (typeof value !== 'object' && typeof value !== 'function') || value === null,
  isRegExp: types.isRegExp,
  isString: (value: unknown) => typeof value === 'string',
  isSymbol: (value: unknown) => typeof value === 'symbol',
  isUndefined: (value: unknown) => value === undefined,
  log: (...args: unknown[]) => console.log(format(...args)),
  _extend: (target: object, source: object | null) => Object.assign(target, source),
};

export { util as 'module.exports' };
