import { loaded } from '../loaded.ts';
import { blobOf, bytesOf, File } from './blob.ts';
import { DOMException } from './dom-exception.ts';
import { isByteStream, type Moving, prepareMove, wrapReadable } from './transfer.ts';

const tagOf = Object.prototype.toString;

type Probe = (value: object) => unknown;

/** A getter or method that throws unless the value has the internal slot of its class. */
const slot = (prototype: object, key: PropertyKey): Probe => {
  const found = Object.getOwnPropertyDescriptor(prototype, key);
  const method = (found?.get ?? found?.value) as (this: unknown) => unknown;
  return (value) => method.call(value);
};
const hasSlot = (value: object, probe: Probe): boolean => {
  try {
    probe(value);
    return true;
  } catch {
    return false;
  }
};

/** Kinds by what tells them apart for sure: an object may call itself anything with `Symbol.toStringTag`. */
const PROBES: Readonly<Record<string, Probe>> = {
  Map: slot(Map.prototype, 'size'),
  Set: slot(Set.prototype, 'size'),
  ArrayBuffer: slot(ArrayBuffer.prototype, 'byteLength'),
  Date: slot(Date.prototype, 'getTime'),
  RegExp: slot(RegExp.prototype, 'hasIndices'),
  Boolean: slot(Boolean.prototype, 'valueOf'),
  Number: slot(Number.prototype, 'valueOf'),
  String: slot(String.prototype, 'valueOf'),
  BigInt: slot(BigInt.prototype, 'valueOf'),
  Symbol: slot(Symbol.prototype, 'valueOf'),
};

/** Objects of the language and the platform that have no serialized form. */
const UNCLONEABLE = new Set(
  `AbortController AbortSignal AsyncGenerator CompressionStream CustomEvent DecompressionStream ErrorEvent Event EventTarget
  FinalizationRegistry FormData Generator Headers MessageChannel MessageEvent MessagePort Performance Promise
  PromiseRejectionEvent ReadableStream Request Response TransformStream URL URLPattern URLSearchParams WeakMap WeakRef
  WeakSet WritableStream`.split(/\s+/),
);

const ERRORS: Readonly<Record<string, ErrorConstructor>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

type Memory = Map<object, object>;

function refuse(what: string): never {
  throw new DOMException(`${what} could not be cloned.`, 'DataCloneError');
}

/** The kind of an object: a key of PROBES, or 'Object' for those that are cloned by their properties. */
function kindOf(value: object): string {
  const tag = tagOf.call(value).slice(8, -1);
  if (tag === 'Object' || tag === 'Array' || tag === 'Arguments') return 'Object';
  if (UNCLONEABLE.has(tag)) refuse(`[object ${tag}]`);
  const probe = Object.hasOwn(PROBES, tag) ? PROBES[tag] : undefined;
  if (probe !== undefined && hasSlot(value, probe)) return tag;
  return Object.keys(PROBES).find((kind) => hasSlot(value, PROBES[kind] as Probe)) ?? 'Object';
}

function cloneError(error: Error, memory: Memory): Error {
  const { name } = error;
  const copy = new (Object.hasOwn(ERRORS, name) ? (ERRORS[name] as ErrorConstructor) : Error)();
  memory.set(error, copy);
  const define = (key: string, value: unknown) =>
    Object.defineProperty(copy, key, { value, writable: true, configurable: true });
  const message = Object.getOwnPropertyDescriptor(error, 'message');
  if (message && 'value' in message) define('message', `${message.value}`);
  define('stack', typeof error.stack === 'string' ? error.stack : undefined);
  const cause = Object.getOwnPropertyDescriptor(error, 'cause');
  if (cause && 'value' in cause) define('cause', clone(cause.value, memory));
  return copy;
}

function cloneView(view: ArrayBufferView, memory: Memory): ArrayBufferView {
  const buffer = clone(view.buffer, memory) as ArrayBuffer;
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength);
  const name = (view as Uint8Array)[Symbol.toStringTag];
  const View = (globalThis as unknown as Record<string, typeof Uint8Array>)[name] as typeof Uint8Array;
  return new View(buffer, view.byteOffset, (view as Uint8Array).length);
}

function cloneBlob(blob: Blob, bytes: Uint8Array<ArrayBuffer>): object {
  if (!(blob instanceof File)) return blobOf(bytes, blob.type);
  return new File([bytes], blob.name, { type: blob.type, lastModified: blob.lastModified });
}

/** Those that are made in one go, without what they hold. */
function cloneLeaf(value: object, kind: string): object | undefined {
  switch (kind) {
    case 'ArrayBuffer':
      if ((value as ArrayBuffer).detached) refuse('A detached ArrayBuffer');
      return (value as ArrayBuffer).slice(0);
    case 'Date':
      return new Date((PROBES.Date as Probe)(value) as number);
    case 'RegExp':
      return new RegExp((value as RegExp).source, (value as RegExp).flags);
    case 'Boolean':
    case 'Number':
    case 'String':
    case 'BigInt':
      return Object((PROBES[kind] as Probe)(value)) as object;
    case 'Symbol':
      return refuse('A Symbol object');
    default:
      return undefined;
  }
}

function clone(value: unknown, memory: Memory): unknown {
  if (typeof value === 'function') return refuse(`The function "${value.name}"`);
  if (typeof value === 'symbol') return refuse(String(value));
  if (typeof value !== 'object' || value === null) return value;
  const known = memory.get(value);
  if (known !== undefined) return known;
  const copy = cloneObject(value, memory);
  memory.set(value, copy);
  return copy;
}

function cloneObject(value: object, memory: Memory): object {
  if (value instanceof DOMException) return new DOMException(value.message, value.name);
  if (Error.isError(value)) return cloneError(value as Error, memory);
  if (ArrayBuffer.isView(value)) return cloneView(value, memory);
  const bytes = bytesOf(value);
  if (bytes !== null) return cloneBlob(value as Blob, bytes);
  const key = loaded.cryptoKey?.copyOf(value) ?? null;
  if (key !== null) return key;
  const kind = kindOf(value);
  const leaf = cloneLeaf(value, kind);
  if (leaf !== undefined) return leaf;
  if (kind === 'Map') {
    const copy = new Map<unknown, unknown>();
    memory.set(value, copy);
    for (const [key, each] of [...(value as Map<unknown, unknown>)]) copy.set(clone(key, memory), clone(each, memory));
    return copy;
  }
  if (kind === 'Set') {
    const copy = new Set<unknown>();
    memory.set(value, copy);
    for (const each of [...(value as Set<unknown>)]) copy.add(clone(each, memory));
    return copy;
  }
  const copy: object = Array.isArray(value) ? new Array(value.length) : {};
  memory.set(value, copy);
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(value, key)) continue;
    const each = clone((value as Record<string, unknown>)[key], memory);
    Object.defineProperty(copy, key, { value: each, writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

/** What is moved rather than copied: buffers, and ports and streams with what takes their place. */
interface Transfer {
  readonly buffers: Set<ArrayBuffer>;
  readonly moves: Map<object, Moving>;
}

function readTransfer(list: Iterable<unknown>, memory: Memory): Transfer {
  const buffers = new Set<ArrayBuffer>();
  const moves = new Map<object, Moving>();
  for (const each of list) {
    if (typeof each !== 'object' || each === null) throw new TypeError('What is transferred is not an object');
    if (hasSlot(each, PROBES.ArrayBuffer as Probe)) {
      const buffer = each as ArrayBuffer;
      if (buffer.detached || buffers.has(buffer)) refuse('A detached or repeated ArrayBuffer in the transfer list');
      buffers.add(buffer);
      continue;
    }
    const moving = moves.has(each) ? null : prepareMove(each, (value) => clone(value, new Map()));
    if (moving === null) return refuse('A value in the transfer list');
    moves.set(each, moving);
    memory.set(each, moving.made);
  }
  return { buffers, moves };
}

/**
 * A copy of a value for somebody else, with what is moved to them; `ports` are the ports among that, in their order.
 *
 * @throws DOMException DataCloneError; what was to be moved stays where it is, unless it is itself the reason
 */
export function cloneMessage(value: unknown, list: Iterable<unknown>): { value: unknown; ports: object[] } {
  const memory: Memory = new Map();
  const { buffers, moves } = readTransfer(list, memory);
  const copy = clone(value, memory);
  // Moved last: an error before leaves them where they were.
  for (const buffer of buffers) {
    if (buffer.detached) refuse('A detached ArrayBuffer in the transfer list');
    buffer.transfer();
  }
  const ports: object[] = [];
  for (const { made, commit } of moves.values()) {
    if (!commit()) refuse('A locked or detached object in the transfer list');
    if (loaded.messagePort?.isPort(made)) ports.push(made);
  }
  return { value: copy, ports };
}

/**
 * `structuredClone` of the HTML standard. Own code: V8 alone has none, @ungap/structured-clone has neither the standard's
 * errors nor shared buffers, and core-js's would bring 43 KB into every isolate.
 *
 * @throws DOMException DataCloneError for functions, symbols, streams and what else has no serialized form.
 */
export function structuredClone(value: unknown, options?: { transfer?: Iterable<unknown> }): unknown {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'structuredClone': 1 argument required");
  return cloneMessage(value, options?.transfer ?? []).value;
}

/** The rest of a stream whose chunks are copied as they pass; one of bytes is that already, as `tee` makes it. */
export function clonedStream(stream: ReadableStream): ReadableStream {
  return isByteStream(stream) ? stream : wrapReadable(stream, (chunk) => clone(chunk, new Map()));
}
