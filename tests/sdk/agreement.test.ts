import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Declared, declaredGlobals } from '../kit/declared-globals.ts';
import { type Isolates, startIsolates } from '../kit/isolates.ts';

/** What is there in an isolate: as DeclaredGlobal has it, with what JavaScript gives every function or object left out. */
type Found = Readonly<Record<string, { readonly own: readonly string[]; readonly made: readonly string[] | null }>>;

/** Lists the globals of an isolate, and the members of those that `guest` names. */
const LIST = `
  const named = (key) => (typeof key === 'symbol' ? '[' + String(key.description).replace('Symbol.', '') + ']' : key);
  const chain = (object) => {
    const keys = [];
    for (let at = object; at !== null && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
      keys.push(...Reflect.ownKeys(at).filter((key) => key !== 'constructor'));
    }
    return keys;
  };
  const EVERY = new Set(['length', 'name', 'prototype', 'arguments', 'caller']);
  const found = {};
  const inherited = chain(Object.getPrototypeOf(globalThis)).filter((key) => typeof key === 'string');
  for (const name of [...Object.getOwnPropertyNames(globalThis), ...inherited]) {
    const value = globalThis[name];
    const isClass = typeof value === 'function' && typeof value.prototype === 'object';
    found[name] = {
      own: typeof value === 'function' ? Reflect.ownKeys(value).filter((key) => !EVERY.has(key)).map(named)
        : typeof value === 'object' && value !== null && value !== globalThis ? chain(value).map(named) : [],
      made: isClass ? chain(value.prototype).map(named) : null,
    };
  }
  return found;`;

let isolates: Isolates;
let declared: Declared;
let found: Found;

beforeAll(async () => {
  isolates = await startIsolates();
  declared = await declaredGlobals();
  found = (await isolates.run(LIST)) as Found;
});
afterAll(() => isolates.close());

/** What is there although the types do not say so: the author is not to rely on it. */
const NOT_DECLARED: readonly [what: RegExp, why: string][] = [
  [/^__|^undefined$|^globalThis$/, 'of the test kit; known to the compiler without a declaration'],
  [/\.\[toStringTag\]$/, 'the libraries of TypeScript leave it out everywhere'],
  [/\.\[\[\[\w+\]\]\]$/, 'inside of web-streams-polyfill'],
  [/^WritableStreamDefaultController\.abortReason$/, 'inside of web-streams-polyfill'],
  [/^URLPattern\.compareComponent$/, 'of the polyfill, in no standard'],
  [/^Request\.is(History|Reload)Navigation$/, 'of browsers, always false'],
  [/^(DOMException|QuotaExceededError)\.toString$/, 'what every object has'],
];

/** What the types say although it is not there. */
const NOT_THERE: readonly [what: RegExp, why: string][] = [
  [
    /^(SharedArrayBuffer|Atomics)$/,
    'of lib.esnext, which cannot be had without them; taken out of isolates (ADVERSARY 1)',
  ],
  [/\.isTrusted$/, 'a property of each event, not of its prototype'],
  [
    /^(DOMException|QuotaExceededError)\.(stack|cause)$/,
    'of Error, which DOMException extends in the types: `stack` is on each exception',
  ],
];

/** `a` without `b`, and without what an exception covers. */
function beyond(
  a: readonly string[],
  b: readonly string[],
  prefix: string,
  exceptions: readonly [RegExp, string][],
): string[] {
  const names = [...new Set(a)].filter((name) => !b.includes(name)).map((name) => prefix + name);
  return names.filter((name) => !exceptions.some(([what]) => what.test(name)));
}

test('what an isolate has is declared, and nothing else', () => {
  const names = [...declared.guest.keys(), ...declared.language];
  expect(beyond(Object.keys(found), names, '', NOT_DECLARED)).toEqual([]);
  expect(beyond(names, Object.keys(found), '', NOT_THERE)).toEqual([]);
});

test('so are the members of each', () => {
  expect(declared.guest.size).toBeGreaterThan(60);
  const notDeclared: string[] = [];
  const notThere: string[] = [];
  for (const [name, { own, made }] of declared.guest) {
    const real = found[name];
    if (real === undefined || name === 'self') continue;
    const prefix = `${name}.`;
    notDeclared.push(...beyond(real.own, own, prefix, NOT_DECLARED));
    notThere.push(...beyond(own, real.own, prefix, NOT_THERE));
    if (made === null) continue;
    notDeclared.push(...beyond(real.made ?? [], made, prefix, NOT_DECLARED));
    notThere.push(...beyond(made, real.made ?? [], prefix, NOT_THERE));
  }
  expect(notDeclared).toEqual([]);
  expect(notThere).toEqual([]);
});

test('no exception has outlived its reason', async () => {
  const all = Object.entries(found).flatMap(([name, { own, made }]) => [
    name,
    ...[...own, ...(made ?? [])].map((member) => `${name}.${member}`),
  ]);
  const said = [...declared.guest].flatMap(([name, { own, made }]) => [
    name,
    ...[...own, ...(made ?? [])].map((member) => `${name}.${member}`),
  ]);
  for (const [what] of NOT_DECLARED) expect(all.find((name) => what.test(name) && !said.includes(name))).toBeDefined();
  const missing = [...said, ...declared.language].filter((name) => !all.includes(name));
  for (const [what] of NOT_THERE) expect(missing.find((name) => what.test(name))).toBeDefined();
});
