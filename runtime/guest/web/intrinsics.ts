/**
 * What the web platform and the bridge need of the language, captured at boot: a guest that patches JSON, Promise or a
 * prototype later changes what it sees itself, not what runs here (ADVERSARY 16).
 */
const { bind, call } = Function.prototype;

/** `uncurry(f)(self, ...args)` is `f.call(self, ...args)`, whatever happens to `Function.prototype` later. */
const uncurry = bind.bind(call) as <S, A extends readonly unknown[], R>(
  method: (this: S, ...args: A) => R,
) => (self: S, ...args: A) => R;

/** The getter of an accessor property, as a function of its receiver. */
function getter<S, R>(prototype: object, key: PropertyKey): (self: S) => R {
  const get = Object.getOwnPropertyDescriptor(prototype, key)?.get;
  if (!get) throw new TypeError(`No getter ${String(key)}`);
  return uncurry(get as (this: S) => R);
}

export const { parse: JsonParse, stringify: JsonStringify } = JSON;
export const { apply: ReflectApply, ownKeys: ReflectOwnKeys } = Reflect;
export const { getOwnPropertyDescriptor: ObjectGetOwnPropertyDescriptor, setPrototypeOf: ObjectSetPrototypeOf } =
  Object;
/** The descriptor has to have no prototype where a guest may have run. */
export const ObjectDefineProperty = Object.defineProperty as (
  object: object,
  key: PropertyKey,
  descriptor: PropertyDescriptor & { __proto__?: null },
) => object;
export const { max: MathMax, min: MathMin } = Math;
export const { isView: ArrayBufferIsView } = ArrayBuffer;
export const StringFromCharCode = String.fromCharCode;
export const DateNow = Date.now;

export const PromiseResolve = Promise.resolve.bind(Promise) as <T>(value: T | PromiseLike<T>) => Promise<T>;
export const PromiseReject = Promise.reject.bind(Promise) as (reason: unknown) => Promise<never>;
export const PromiseThen = uncurry(Promise.prototype.then) as <T, R>(
  promise: Promise<T>,
  done: ((value: T) => R | PromiseLike<R>) | undefined,
  failed?: (reason: unknown) => R | PromiseLike<R>,
) => Promise<R>;

export const ArrayJoin = uncurry(Array.prototype.join) as (array: readonly unknown[], separator: string) => string;
export const ArraySort = uncurry(Array.prototype.sort) as <T>(array: T[], order: (a: T, b: T) => number) => T[];

export const StringCharCodeAt = uncurry(String.prototype.charCodeAt);
export const StringIndexOf = uncurry(String.prototype.indexOf);
export const StringSlice = uncurry(String.prototype.slice);
export const StringToLowerCase = uncurry(String.prototype.toLowerCase);
export const StringToUpperCase = uncurry(String.prototype.toUpperCase);
export const StringIsWellFormed = uncurry(String.prototype.isWellFormed);
export const StringToWellFormed = uncurry(String.prototype.toWellFormed);

export const MapGet = uncurry(Map.prototype.get) as <K, V>(map: Map<K, V>, key: K) => V | undefined;
export const MapSet = uncurry(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => Map<K, V>;
export const MapDelete = uncurry(Map.prototype.delete) as <K>(map: Map<K, unknown>, key: K) => boolean;

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
export const TypedArrayTag = getter<unknown, string | undefined>(TypedArray, Symbol.toStringTag);
export const BytesSubarray = uncurry(Uint8Array.prototype.subarray) as (
  bytes: Uint8Array,
  start: number,
  end?: number,
) => Uint8Array<ArrayBuffer>;
export const BytesSlice = uncurry(Uint8Array.prototype.slice) as (bytes: Uint8Array) => Uint8Array<ArrayBuffer>;
export const BytesSet = uncurry(Uint8Array.prototype.set) as (to: Uint8Array, from: Uint8Array, at: number) => void;
export const Bytes = Uint8Array;
