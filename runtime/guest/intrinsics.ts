/**
 * What the bridge relies on, taken before any plugin code runs: a plugin that patches JSON, Map or Promise changes its
 * own world, not the channel to the core.
 */
export const { parse, stringify } = JSON;
export const { apply, ownKeys } = Reflect;
export const { freeze, defineProperty, create, hasOwn, setPrototypeOf, getOwnPropertyDescriptor } = Object;
export const { ceil, max } = Math;
export const { isArray } = Array;
export const { toISOString } = Date.prototype;
export const PromiseConstructor = Promise;
export const ErrorConstructor = Error;
export const RangeErrorConstructor = RangeError;
export const captureStackTrace = Error.captureStackTrace;
export const reject = Promise.reject.bind(Promise) as (reason: unknown) => Promise<never>;
const stringSlice = String.prototype.slice;
const stringIndexOf = String.prototype.indexOf;
const toText = String;

export function slice(text: string, start: number, end?: number): string {
  return apply(stringSlice, text, [start, end]) as string;
}

export function indexOf(text: string, part: string): number {
  return apply(stringIndexOf, text, [part]) as number;
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
