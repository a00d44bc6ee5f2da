/**
 * What the bridge relies on, taken before any plugin code runs: a plugin that patches JSON, Map or Promise changes its
 * own world, not the channel to the core.
 */
export const { parse, stringify } = JSON;
export const { apply, ownKeys } = Reflect;
export const { freeze, defineProperty, create, setPrototypeOf, getOwnPropertyDescriptor } = Object;
export const { ceil, max } = Math;
export const PromiseConstructor = Promise;
export const ErrorConstructor = Error;
export const captureStackTrace = Error.captureStackTrace;
const promiseThen = Promise.prototype.then;
const resolve = Promise.resolve.bind(Promise);
const stringSlice = String.prototype.slice;
const toText = String;

export function slice(text: string, start: number, end?: number): string {
  return apply(stringSlice, text, [start, end]) as string;
}

/** `then` of the platform's own, whatever the value is. */
export function then<T>(value: T | PromiseLike<T>, ok: (value: T) => void, fail: (error: unknown) => void): void {
  apply(promiseThen, resolve(value), [ok, fail]);
}

export function text(value: unknown): string {
  return toText(value);
}

/** A Map whose methods are its own copies (Node calls these SafeMap), so that patches of Map.prototype do not reach it. */
export class SafeMap<K, V> extends Map<K, V> {}
for (const key of ownKeys(Map.prototype)) {
  const descriptor = getOwnPropertyDescriptor(Map.prototype, key);
  if (key !== 'constructor' && descriptor !== undefined) defineProperty(SafeMap.prototype, key, descriptor);
}
