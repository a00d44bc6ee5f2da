import { showable } from '../../../../sandbox-apis/_kit/json.ts';
import { DOMException } from './dom-exception.ts';

/** How much of a value is shown; what is beyond is counted or replaced by `…`. */
const LIMITS = { depth: 4, items: 100, text: 10_000, total: 64 * 1024, line: 72 } as const;

interface State {
  readonly depth: number;
  readonly seen: object[];
  /** Characters that may still be written. */
  room: number;
}

const quote = (text: string): string => {
  const shown = showable(text);
  const cut = shown.length > LIMITS.text ? `${shown.slice(0, LIMITS.text)}…` : shown;
  return JSON.stringify(cut);
};

const keyText = (key: PropertyKey): string => {
  if (typeof key === 'symbol') return `[${String(key)}]`;
  const text = String(key);
  return /^[A-Za-z_$][\w$]*$/.test(text) ? text : quote(text);
};

/** The class of an object by its prototype's own `constructor` value; no getter runs. */
function className(value: object): string | null {
  let prototype: object | null = Object.getPrototypeOf(value);
  for (let steps = 0; prototype !== null && steps < 20; steps++) {
    const found = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    const name = typeof found === 'function' ? Object.getOwnPropertyDescriptor(found, 'name')?.value : undefined;
    if (typeof name === 'string' && name !== '') return name.slice(0, 100);
    prototype = Object.getPrototypeOf(prototype);
  }
  return null;
}

function primitive(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Object.is(value, -0)) return '-0';
  return String(value);
}

/** The accessors whose code is V8's or ours; any other getter is the guest's and does not run. */
const SAFE_GETTERS = new Set(
  [
    Object.getOwnPropertyDescriptor(new Error(), 'stack'),
    Object.getOwnPropertyDescriptor(DOMException.prototype, 'name'),
    Object.getOwnPropertyDescriptor(DOMException.prototype, 'message'),
  ].map((found) => found?.get),
);

/** A text property of an error, its own or inherited; empty when it is something else. */
function errorPart(error: object, key: string): string {
  for (let at: object | null = error; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, key);
    if (found === undefined) continue;
    const text: unknown = found.get && SAFE_GETTERS.has(found.get) ? found.get.call(error) : found.value;
    return typeof text === 'string' ? text : '';
  }
  return '';
}

function errorText(error: object, state: State): string {
  const name = errorPart(error, 'name') || 'Error';
  const said = errorPart(error, 'message');
  const message = showable(said);
  const head = message === '' ? name : `${name}: ${message}`;
  // V8 puts the stack together at the first look, with the whole message at its head.
  const stack = message === said ? errorPart(error, 'stack') : '';
  const text = stack.includes(message) && stack !== '' ? stack : head;
  const cause = Object.getOwnPropertyDescriptor(error, 'cause');
  const extra = Object.keys(error).filter((key) => key !== 'cause' && key !== 'stack' && key !== 'message');
  const parts = extra.slice(0, LIMITS.items).map((key) => property(error, key, state));
  if (cause && 'value' in cause) parts.push(`[cause]: ${show(cause.value, state)}`);
  const shown = text.slice(0, LIMITS.text);
  return parts.length === 0 ? shown : `${shown} { ${parts.join(', ')} }`;
}

function property(owner: object, key: PropertyKey, state: State): string {
  const found = Object.getOwnPropertyDescriptor(owner, key);
  const name = keyText(key);
  if (found === undefined) return `${name}: ?`;
  if ('value' in found) return `${name}: ${show(found.value, state)}`;
  return `${name}: [${found.get ? (found.set ? 'Getter/Setter' : 'Getter') : 'Setter'}]`;
}

function layout(open: string, parts: string[], close: string, depth: number): string {
  if (parts.length === 0) return `${open}${close}`;
  const one = `${open} ${parts.join(', ')} ${close}`;
  if (one.length <= LIMITS.line && !one.includes('\n')) return one;
  const pad = '  '.repeat(depth + 1);
  return `${open}\n${parts.map((part) => `${pad}${part}`).join(',\n')}\n${'  '.repeat(depth)}${close}`;
}

/** The parts of a collection, as many as are shown, and how many are not. */
function some<T>(items: Iterable<T>, size: number, each: (item: T) => string, state: State): string[] {
  const parts: string[] = [];
  for (const item of items) {
    if (parts.length >= LIMITS.items || state.room <= 0) {
      parts.push(`… ${size - parts.length} more`);
      break;
    }
    parts.push(each(item));
  }
  return parts;
}

const iterate = {
  map: Map.prototype.entries,
  set: Set.prototype.values,
};

function showObject(value: object, outer: State): string {
  if (outer.seen.includes(value)) return '[Circular]';
  if (Error.isError(value)) return errorText(value, deeper(outer, value));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = className(value);
  if (outer.depth >= LIMITS.depth) return Array.isArray(value) ? '[Array]' : `[${name ?? 'Object'}]`;
  const state = deeper(outer, value);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return showList(value, name, state);
  const prefix = name === 'Object' ? '' : `${name ?? '[Object: null prototype]'} `;
  const parts: string[] = [];
  if (value instanceof Map) {
    const entry = ([key, each]: [unknown, unknown]) => `${show(key, state)} => ${show(each, state)}`;
    parts.push(...some(iterate.map.call(value), value.size, entry, state));
  } else if (value instanceof Set) {
    parts.push(...some(iterate.set.call(value), value.size, (each) => show(each, state), state));
  }
  const keys = Reflect.ownKeys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable);
  parts.push(...some(keys, keys.length, (key) => property(value, key, state), state));
  return layout(`${prefix}{`, parts, '}', outer.depth);
}

function showList(list: object, name: string | null, state: State): string {
  const size = Array.isArray(list) ? list.length : (list as ArrayBufferView).byteLength;
  if (list instanceof DataView) return `DataView(${size})`;
  const array = list as ArrayLike<unknown>;
  const indexes = Array.from({ length: Math.min(array.length, LIMITS.items) }, (_, index) => index);
  const item = (index: number) => {
    const found = Object.getOwnPropertyDescriptor(array, index);
    return found === undefined ? '<empty>' : 'value' in found ? show(found.value, state) : '[Getter]';
  };
  const parts = some(indexes, array.length, item, state);
  if (array.length > parts.length) parts.push(`… ${array.length - parts.length} more`);
  const prefix = name === 'Array' ? '' : `${name ?? 'Array'}(${array.length}) `;
  return layout(`${prefix}[`, parts, ']', state.depth - 1);
}

const deeper = (state: State, value: object): State => {
  const seen = [...state.seen, value];
  return {
    depth: state.depth + 1,
    seen,
    get room() {
      return state.room;
    },
    set room(room: number) {
      state.room = room;
    },
  };
};

function show(value: unknown, state: State): string {
  if (state.room <= 0) return '…';
  let text: string;
  if (typeof value === 'function') {
    const name = Object.getOwnPropertyDescriptor(value, 'name')?.value;
    text = `[Function: ${typeof name === 'string' && name !== '' ? name.slice(0, 100) : '(anonymous)'}]`;
  } else if (typeof value === 'object' && value !== null) {
    try {
      text = showObject(value, state);
    } catch {
      // Only a Proxy's traps (or what a guest patched) can throw here.
      text = '[Proxy]';
    }
  } else {
    text = primitive(value);
  }
  if (typeof value !== 'object') state.room -= text.length;
  return text;
}

/**
 * A value as text for a log: bounded in depth, items and length; getters are shown, not run; never throws.
 */
export function inspect(value: unknown): string {
  const text = show(value, { depth: 0, seen: [], room: LIMITS.total });
  return text.length > LIMITS.total ? `${text.slice(0, LIMITS.total)}…` : text;
}
