import { checkName, checkValue, find, lowerNames, type Pair, remove, replace } from './header-list.ts';
import {
  ArraySort,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ReflectApply,
  ReflectOwnKeys,
  StringCharCodeAt,
} from './intrinsics.ts';
import { exposeInterface } from './lazy/members.ts';
import { tag } from './lazy.ts';
import { append } from './lists.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** A view of a list that the platform made; the names in it become lower-case. */
export let viewHeaders: (list: Pair[], immutable: boolean) => Headers;
/** The list behind a Headers object: not a copy. */
export let listOf: (headers: Headers) => Pair[];

/** The conversion of Web IDL to a ByteString. */
function toText(value: unknown): string {
  if (typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol to a header');
  const text = `${value}`;
  for (let i = 0; i < text.length; i++) {
    if (StringCharCodeAt(text, i) > 255) throw new TypeError('A header has a character above U+00FF');
  }
  return text;
}

/** `Headers` of the Fetch standard. */
export class Headers {
  #list: Pair[] = [];
  #immutable = false;
  /** Counts changes, so that an iterator knows when to sort anew. */
  #version = 0;

  constructor(init?: unknown, list?: Pair[], immutable = false) {
    if (init === INTERNAL) {
      this.#list = list as Pair[];
      this.#immutable = immutable;
    } else if (init !== undefined) {
      this.#fill(init);
    }
  }

  static {
    viewHeaders = (list, immutable) => {
      lowerNames(list);
      return new Headers(INTERNAL, list, immutable);
    };
    listOf = (headers) => headers.#list;
  }

  append(name: unknown, value: unknown): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'append' on 'Headers': 2 arguments required");
    const [key, text] = this.#check(name, value);
    append(this.#list, [key, text]);
  }

  delete(name: unknown): void {
    const key = checkName(toText(name));
    this.#change();
    remove(this.#list, key);
  }

  get(name: unknown): string | null {
    return find(this.#list, checkName(toText(name)));
  }

  /** All values of Set-Cookie, which cannot be combined. */
  getSetCookie(): string[] {
    const values: string[] = [];
    for (const [name, value] of this.#list) if (name === 'set-cookie') append(values, value);
    return values;
  }

  has(name: unknown): boolean {
    return find(this.#list, checkName(toText(name))) !== null;
  }

  set(name: unknown, value: unknown): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'set' on 'Headers': 2 arguments required");
    const [key, text] = this.#check(name, value);
    replace(this.#list, key, text);
  }

  forEach(callback: (value: string, name: string, headers: Headers) => unknown, self?: unknown): void {
    if (typeof callback !== 'function')
      throw new TypeError("Failed to execute 'forEach': the callback is not a function");
    for (let i = 0, pairs = this.#sorted(); i < pairs.length; pairs = this.#sorted()) {
      const [name, value] = pairs[i++] as Pair;
      ReflectApply(callback, self, [value, name, this]);
    }
  }

  entries(): IterableIterator<Pair> {
    return this.#iterate((pair) => [pair[0], pair[1]]);
  }

  keys(): IterableIterator<string> {
    return this.#iterate((pair) => pair[0]);
  }

  values(): IterableIterator<string> {
    return this.#iterate((pair) => pair[1]);
  }

  declare [Symbol.iterator]: () => IterableIterator<Pair>;

  #change(): void {
    if (this.#immutable) throw new TypeError('These headers cannot be changed');
    this.#version++;
  }

  #check(name: unknown, value: unknown): Pair {
    const given = toText(name);
    const text = toText(value);
    const key = checkName(given);
    const checked = checkValue(key, text);
    this.#change();
    return [key, checked];
  }

  #fill(init: unknown): void {
    if (typeof init !== 'object' || init === null) {
      if (typeof init === 'function') return;
      throw new TypeError("Failed to construct 'Headers': not an object, a sequence of pairs or Headers");
    }
    const iterator = (init as Partial<Iterable<unknown>>)[Symbol.iterator];
    if (iterator === undefined || iterator === null) {
      for (const [name, value] of readRecord(init)) this.append(name, value);
      return;
    }
    for (const pair of init as Iterable<unknown>) {
      if (typeof pair !== 'object' || pair === null) throw new TypeError("Failed to construct 'Headers': not a pair");
      const both = [...(pair as Iterable<unknown>)];
      if (both.length !== 2) throw new TypeError("Failed to construct 'Headers': a pair has a name and a value");
      this.append(both[0], both[1]);
    }
  }

  #cache: { version: number; pairs: Pair[] } | null = null;

  /** Sorted by name and combined, Set-Cookie apart. */
  #sorted(): Pair[] {
    if (this.#cache?.version === this.#version) return this.#cache.pairs;
    const pairs: Pair[] = [];
    const byName = new Map<string, Pair>();
    for (const [name, value] of this.#list) {
      const known = name === 'set-cookie' ? undefined : byName.get(name);
      if (known) {
        known[1] += `, ${value}`;
        continue;
      }
      const pair: Pair = [name, value];
      byName.set(name, pair);
      append(pairs, pair);
    }
    ArraySort(pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#cache = { version: this.#version, pairs };
    return pairs;
  }

  #iterate<T>(pick: (pair: Pair) => T): IterableIterator<T> {
    let next = 0;
    const step = (): IteratorResult<T> => {
      const pair = this.#sorted()[next++];
      return pair === undefined ? { value: undefined, done: true } : { value: pick(pair), done: false };
    };
    return new HeadersIterator(step);
  }
}

/** A record of Web IDL: all of it is converted before the first header is checked. */
function readRecord(init: object): Pair[] {
  const pairs: Pair[] = [];
  for (const key of ReflectOwnKeys(init)) {
    if (!ObjectGetOwnPropertyDescriptor(init, key)?.enumerable) continue;
    const name = toText(key);
    append(pairs, [name, toText((init as Record<PropertyKey, unknown>)[name])]);
  }
  return pairs;
}

/** What `entries`, `keys` and `values` answer: live, as Web IDL has it. */
class HeadersIterator<T> extends Iterator<T> {
  readonly #step: () => IteratorResult<T>;

  constructor(step: () => IteratorResult<T>) {
    super();
    this.#step = step;
  }

  override next(): IteratorResult<T, undefined> {
    return this.#step();
  }
}
exposeInterface(HeadersIterator, 'Headers Iterator');
ObjectDefineProperty(Headers.prototype, Symbol.iterator, {
  value: Headers.prototype.entries,
  writable: true,
  configurable: true,
});
tag(Headers.prototype, 'Headers');
