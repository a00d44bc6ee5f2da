import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Glob } from 'bun';
import { buildTypes } from '../../src/sdk/build-types.ts';
import { SDK_FOLDER, sdkFiles } from '../../src/sdk/files.ts';
import { checkAsPlugin } from '../kit/typescript.ts';

const PLUGINS = join(import.meta.dir, '../../plugins');

test('what is in the repository is what `bun run sdk:types` writes', async () => {
  const files = await sdkFiles();
  const built = await buildTypes();
  expect([...files.keys()]).toEqual([...built.keys()].sort());
  for (const [name, text] of built) expect(files.get(name) === text ? name : `${name} is out of date`).toBe(name);
});

test('the package stands by itself, and its value works', async () => {
  const { definePlugin } = await import(join(SDK_FOLDER, 'index.js'));
  const plugin = { onLoad() {} };
  expect(definePlugin(plugin)).toBe(plugin);
  const files = await sdkFiles();
  for (const text of files.values()) expect(text).not.toMatch(/from '\.\.?\/|sandbox-apis\/[a-z]+\/|\/work\//);
});

for (const name of ['hello', 'streamspace-slack']) {
  test(`the plugin ${name} needs nothing but what its author is told of`, async () => {
    const sources = await Array.fromAsync(new Glob('*.ts').scan(join(PLUGINS, name)));
    const texts = sources.map(async (file) => [file, await readFile(join(PLUGINS, name, file), 'utf8')] as const);
    const { errors } = await checkAsPlugin(new Map(await Promise.all(texts)));
    expect(errors).toEqual([]);
  });
}
