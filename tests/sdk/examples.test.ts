import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Glob } from 'bun';
import { checkAsPlugin } from '../kit/typescript.ts';

const ROOT = join(import.meta.dir, '../..');
const PLACES = ['sandbox-apis/**/*.ts', 'sandbox-apis/*/README.md', 'docs/authors/*.md'];
/** A fenced block of TypeScript, also inside a doc comment. */
const FENCED = /^([ \t]*(?:\* ?)?)```ts\n([\s\S]*?)^[ \t]*(?:\* ?)?```$/gm;

/** The examples of a text, each as a file of its own: doc comments without their stars. */
function examplesOf(path: string, text: string): [string, string][] {
  return [...text.matchAll(FENCED)].map(([, margin = '', body = ''], index) => {
    const code = body.replaceAll(new RegExp(`^${margin.trimEnd().replaceAll('*', '\\*')} ?`, 'gm'), '');
    return [`${path.replaceAll(/[/.]/g, '-')}-${index + 1}.ts`, code];
  });
}

async function examples(): Promise<Map<string, string>> {
  const paths = PLACES.flatMap((place) => [...new Glob(place).scanSync(ROOT)]).sort();
  const found = paths.map(async (path) => examplesOf(path, await readFile(join(ROOT, path), 'utf8')));
  return new Map((await Promise.all(found)).flat());
}

test('every example in the docs and doc comments of the rooms compiles', async () => {
  const files = await examples();
  // Each room has at least one where an author looks: beside its calls, and in its README.
  for (const room of [
    'api',
    'budget',
    'connect',
    'database',
    'events',
    'fetch',
    'files',
    'log',
    'plugins',
    'scheduler',
    'secrets',
    'services',
    'storage',
  ]) {
    expect([...files.keys()]).toContain(`sandbox-apis-${room}-guest-ts-1.ts`);
    expect([...files.keys()]).toContain(`sandbox-apis-${room}-README-md-1.ts`);
  }
  // Those that bring along a package are checked against the real one.
  const imports = [...files.values()].flatMap((text) => [
    ...text.matchAll(/^import .* from '((?:@[^/']+\/)?[^./':][^/':]*)/gm),
  ]);
  const packages = new Set(imports.map(([, name = '']) => name).filter((name) => name !== '@streamspace/sdk'));
  expect((await checkAsPlugin(files, packages)).errors).toEqual([]);
});

test('an example with a mistake would be found', async () => {
  const [example] = examplesOf('x.md', 'Text.\n\n```ts\nstreamspace.storage.increment(5);\n```\n');
  if (example === undefined) throw new Error('no example');
  const { errors } = await checkAsPlugin(new Map([example]));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain('x-md-1.ts(1,31): error TS2345');
});
