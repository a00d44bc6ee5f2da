import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../../package.json' with { type: 'json' };
import { readFolder } from '../../src/packages/read.ts';
import { sdkFiles } from '../../src/sdk/files.ts';
import { streamspace } from './run.ts';

const PLACE = 'node_modules/@streamspace/sdk';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

test('writes the types into a plugin that was checked out, over older ones', async () => {
  await writeFile(join(cwd, 'manifest.json'), '{}');
  const first = await streamspace(['plugin', 'types'], { cwd });
  expect(first).toEqual({ code: 0, out: `${PLACE}: the types of StreamSpace ${version}\n`, err: '' });
  await writeFile(join(cwd, PLACE, 'index.d.ts'), 'export {};\n');
  expect((await streamspace(['plugin', 'types', '.'], { cwd })).code).toBe(0);
  for (const [name, text] of await sdkFiles()) expect(await readFile(join(cwd, PLACE, name), 'utf8')).toBe(text);
});

test('writes nothing into a folder that is no plugin', async () => {
  const { code, err } = await streamspace(['plugin', 'types'], { cwd });
  expect(code).toBe(1);
  expect(err).toContain('has no manifest.json; nothing was written');
  expect(await readFile(join(cwd, PLACE, 'index.d.ts')).catch(() => null)).toBeNull();
});

test('they are no part of the package', async () => {
  expect((await streamspace(['plugin', 'create', 'team-notes', '--dir', 'notes'], { cwd })).code).toBe(0);
  expect(await readFile(join(cwd, 'notes', PLACE, 'index.d.ts'), 'utf8')).toContain('definePlugin');
  const { files } = await readFolder(join(cwd, 'notes'));
  expect([...files.keys()]).toEqual(['README.md', 'index.ts', 'manifest.json', 'tsconfig.json']);
});
