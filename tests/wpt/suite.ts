import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { Area } from './areas.ts';

/** One run: a file with one of its variants. */
export interface TestCase {
  /** Of the file, from the root of the checkout. */
  readonly path: string;
  /** Query with its `?`, or ''. */
  readonly variant: string;
  readonly timeoutMs: number;
}

/** A run with the text that it evaluates. */
export interface Program {
  readonly title: string;
  /** testharness.js and the helpers that it shares a global scope with, one text each. */
  readonly harness: string;
  readonly script: string;
}

interface Meta {
  readonly scripts: readonly string[];
  readonly variants: readonly string[];
  readonly globals: readonly string[] | null;
  readonly title: string;
  readonly long: boolean;
}

/** Milliseconds for one file, as the suite's own runner gives them. */
const TIMEOUT_MS = { normal: 10_000, long: 60_000 };
/** Values of `META: global=` that an isolate can stand for; what names none of them needs another kind of worker. */
const GLOBALS = /^(?:window|worker|dedicatedworker|sharedworker)$/;
const HARNESS = 'resources/testharness.js';
/** Where the suite's server finds what tests ask for by another path. */
const ALIASES: Readonly<Record<string, string>> = {
  'resources/WebIDLParser.js': 'resources/webidl2/lib/webidl2.js',
};

/** @throws Error that says what is missing, when the folder is no checkout of the suite */
export function checkCheckout(root: string): void {
  if (!existsSync(join(root, HARNESS)))
    throw new Error(`${root} is no checkout of the web-platform-tests: no ${HARNESS}`);
}

/** The runs of an area, in order; none when the checkout has no such folder. */
export function casesOf(root: string, { paths, windowless = [] }: Area): TestCase[] {
  const cases = paths
    .flatMap((path) => filesBelow(root, path))
    .filter((file) => /\.(?:any|window)\.js$/.test(file))
    .flatMap((path) => variantsOf(root, path));
  const isWindowless = ({ path, variant }: TestCase): boolean =>
    windowless.includes(path) || windowless.includes(path + variant);
  return cases.filter((each) => each.path.endsWith('.any.js') || isWindowless(each));
}

function variantsOf(root: string, path: string): TestCase[] {
  const { globals, long, variants } = readMeta(readFileSync(join(root, path), 'utf8'));
  if (globals !== null && !globals.some((name) => GLOBALS.test(name))) return [];
  const timeoutMs = long ? TIMEOUT_MS.long : TIMEOUT_MS.normal;
  return variants.map((variant) => ({ path, variant, timeoutMs }));
}

/**
 * Puts the text of a run together. `substitute` fills in what the suite's server would (`.sub.` files).
 *
 * @throws Error when a helper is missing from the checkout
 */
export function assemble(root: string, path: string, substitute: (text: string) => string): Program {
  const read = (file: string): string => {
    const text = readFileSync(join(root, file), 'utf8');
    return file.includes('.sub.') ? substitute(text) : text;
  };
  const source = read(path);
  const { scripts, title } = readMeta(source);
  const texts = [...scripts.map((script) => read(resolve(path, script))), source];
  // Each of them is a script of its own in a browser; here they share one, which is strict when all of them are.
  const strict = texts.every((text) => /^(?:\s|\/\/.*|\/\*[\s\S]*?\*\/)*(['"])use strict\1/.test(text));
  return { title, harness: read(HARNESS), script: `${strict ? "'use strict';\n" : ''}${texts.join('\n;\n')}` };
}

/** What the first lines of a file say of it (`// META: key=value`). */
export function readMeta(source: string): Meta {
  const pairs: [key: string, value: string][] = [];
  for (const line of source.split(/\r?\n/)) {
    const found = /^\/\/\s*META:\s*(\w+)=(.*)$/.exec(line);
    if (found !== null) pairs.push([found[1] ?? '', (found[2] ?? '').trim()]);
    else if (line.trim() !== '' && !line.startsWith('//')) break;
  }
  const all = (key: string): string[] => pairs.flatMap(([name, value]) => (name === key ? [value] : []));
  const variants = all('variant');
  const globals = all('global')[0];
  return {
    scripts: all('script'),
    variants: variants.length === 0 ? [''] : variants,
    globals: globals === undefined ? null : globals.split(',').map((name) => name.trim()),
    title: all('title')[0] ?? '',
    long: all('timeout').includes('long'),
  };
}

function resolve(from: string, to: string): string {
  const path = to.startsWith('/') ? to.slice(1) : posix.normalize(posix.join(dirname(from), to));
  return ALIASES[path] ?? path;
}

function filesBelow(root: string, path: string): string[] {
  const found = statSync(join(root, path), { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return [path];
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .map((file) => posix.join(path, file))
    .toSorted();
}
