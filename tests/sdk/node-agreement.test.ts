import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { NODE_MODULES } from '../../runtime/protocol/node-modules.ts';
import { type Isolates, startIsolates } from '../kit/isolates.ts';
import { checkAsPlugin } from '../kit/typescript.ts';

/** What a module has although the types do not say so: nobody should rely on it. */
const NOT_DECLARED: Readonly<Record<string, readonly string[]>> = {
  // What every function that can be called with `new` has.
  assert: ['prototype'],
  'assert/strict': ['prototype'],
  // Deprecated for years, and out of @types/node.
  buffer: ['SlowBuffer'],
  events: ['init', 'usingDomains'],
  path: ['_makeLong'],
  'path/posix': ['_makeLong'],
  querystring: ['unescapeBuffer'],
  url: ['Url', 'resolveObject'],
  util: [
    '_extend',
    'isBoolean',
    'isBuffer',
    'isDate',
    'isError',
    'isFunction',
    'isNull',
    'isNullOrUndefined',
    'isNumber',
    'isObject',
    'isPrimitive',
    'isRegExp',
    'isString',
    'isSymbol',
    'isUndefined',
    'log',
  ],
  // Not in @types/node: inside of streams, or of no use to an author.
  stream: ['_isUint8Array', '_uint8ArrayToBuffer', 'compose', 'destroy', 'isDestroyed', 'isDisturbed'],
  'util/types': ['isEventTarget', 'isWeakRef'],
};
/** What the types say although it is not there. */
const NOT_THERE: Readonly<Record<string, readonly string[]>> = {
  // The statics of EventEmitter, which the type of Stream inherits.
  stream: [
    'EventEmitter',
    'addAbortListener',
    'captureRejectionSymbol',
    'captureRejections',
    'defaultMaxListeners',
    'errorMonitor',
    'getEventListeners',
    'getMaxListeners',
    'listenerCount',
    'on',
    'once',
    'setMaxListeners',
  ],
};

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

/** The names that a module exports in an isolate. */
async function exportsOf(module: string): Promise<string[]> {
  const names = await isolates.run(`
    const found = __require('node:${module}');
    const every = typeof found === 'function' ? ['length', 'name', 'arguments', 'caller'] : [];
    return Object.getOwnPropertyNames(found).filter((name) => !every.includes(name));`);
  return names as string[];
}

const union = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(' | ') || 'never';

test('the modules of Node have what their types say, and nothing else', async () => {
  const files = new Map<string, string>();
  for (const module of Object.keys(NODE_MODULES)) {
    const names = await exportsOf(module);
    expect(names.length).toBeGreaterThan(0);
    const said = `${union(NOT_THERE[module] ?? [])}`;
    const unsaid = `${union(NOT_DECLARED[module] ?? [])}`;
    files.set(
      `${module.replace('/', '-')}.ts`,
      `type Said = keyof typeof import('node:${module}');
type Real = ${union(names)};
interface Differences {
  absent: Exclude<Said, Real | ${said}>;
  unsaid: Exclude<Real, Said | ${unsaid}>;
  bare: Exclude<Said, keyof typeof import('${module}')>;
}
export const differences: Differences[keyof Differences] extends never ? 'none' : Differences = 'none';
`,
    );
  }
  expect((await checkAsPlugin(files)).errors).toEqual([]);
});
