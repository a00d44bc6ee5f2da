import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { reachedPackages } from '../../src/packages/dependencies.ts';
import { readFolder } from '../../src/packages/read.ts';
import { refusal } from './fixture.ts';

// What of node_modules a plugin's package takes along.

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'streamspace-dependencies-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function put(files: Record<string, string | object>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

const paths = async (): Promise<string[]> => [...(await readFolder(dir)).files.keys()];

const PLUGIN = { 'manifest.json': '{}', 'index.ts': '' };

describe('packages', () => {
  test('those that the package.json reaches, and no others', async () => {
    await put({
      ...PLUGIN,
      'package.json': { dependencies: { a: '1' }, devDependencies: { typescript: '1' } },
      'node_modules/a/package.json': {
        dependencies: { '@s/b': '1' },
        peerDependencies: { c: '1' },
        devDependencies: { d: '1' },
      },
      'node_modules/a/index.js': '',
      'node_modules/@s/b/package.json': { optionalDependencies: { absent: '1' } },
      'node_modules/@s/b/index.js': '',
      'node_modules/c/package.json': { dependencies: { a: '1' } },
      'node_modules/d/package.json': {},
      'node_modules/typescript/package.json': {},
      'node_modules/.bin/tsc': '',
    });
    expect(await paths()).toEqual([
      'index.ts',
      'manifest.json',
      'node_modules/@s/b/index.js',
      'node_modules/@s/b/package.json',
      'node_modules/a/index.js',
      'node_modules/a/package.json',
      'node_modules/c/package.json',
      'package.json',
    ]);
  });

  test('the version that Node would find: the nearest', async () => {
    await put({
      'package.json': { dependencies: { a: '1', b: '2' } },
      'node_modules/a/package.json': { dependencies: { b: '1' } },
      'node_modules/a/node_modules/b/package.json': { dependencies: { c: '1' } },
      'node_modules/a/node_modules/unused/package.json': {},
      'node_modules/b/package.json': {},
      'node_modules/c/package.json': {},
    });
    expect(await paths()).toEqual([
      'node_modules/a/node_modules/b/package.json',
      'node_modules/a/package.json',
      'node_modules/b/package.json',
      'node_modules/c/package.json',
      'package.json',
    ]);
  });

  test('all of them when there is no package.json', async () => {
    await put({ ...PLUGIN, 'node_modules/a/index.js': '' });
    expect(await paths()).toEqual(['index.ts', 'manifest.json', 'node_modules/a/index.js']);
  });

  test('names that lead out of node_modules are none', async () => {
    const asked: string[] = [];
    const names = ['../up', '/etc', '@a/../../up', '.bin', 'a/b', '@a', 'ok'];
    const read = async (path: string) => {
      asked.push(path);
      return path === 'package.json' ? Buffer.from('{}') : null;
    };
    expect(await reachedPackages(read, names)).toEqual([]);
    expect(asked).toEqual(['package.json', 'node_modules/ok/package.json']);
  });
});

describe('files', () => {
  test('what a bundle can take in, and licences; not types, maps, documents and programs', async () => {
    const kept = [
      'LICENSE',
      'NOTICE.txt',
      'data.json',
      'esm/package.json',
      'index.cjs',
      'index.js',
      'index.mts',
      'licence.md',
    ];
    const left = [
      'index.d.ts',
      'index.d.mts',
      'index.js.map',
      'README.md',
      'logo.png',
      'build.node',
      'Makefile',
      '.eslintrc.js',
    ];
    await put({ 'package.json': { dependencies: { a: '1' } }, 'node_modules/a/package.json': {} });
    await put(Object.fromEntries([...kept, ...left].map((name) => [`node_modules/a/${name}`, '{}'])));
    const inside = (await paths()).filter((path) => path.startsWith('node_modules/a/')).map((path) => path.slice(15));
    expect(inside).toEqual([...kept, 'package.json'].sort());
  });

  test('the files of the plugin itself stay as they are', async () => {
    await put({ ...PLUGIN, 'package.json': {}, 'types.d.ts': '', 'docs/node_modules.md': '', 'lib/x.map': '' });
    expect(await paths()).toEqual([
      'docs/node_modules.md',
      'index.ts',
      'lib/x.map',
      'manifest.json',
      'package.json',
      'types.d.ts',
    ]);
  });
});

describe('refused', () => {
  test('a package that is a link, with what to do', async () => {
    await put({ 'package.json': { dependencies: { a: '1' } }, 'store/a/package.json': {} });
    await mkdir(join(dir, 'node_modules'));
    await symlink('../store/a', join(dir, 'node_modules/a'));
    const error = await refusal(readFolder(dir));
    expect(error.code).toBe('package_invalid');
    expect(error.message).toMatch(/^"node_modules\/a" is a link: install .*--linker hoisted/);
  });

  test('a folder above it that is a link', async () => {
    await put({ 'package.json': { dependencies: { '@s/a': '1' } }, 'store/a/package.json': {} });
    await mkdir(join(dir, 'node_modules'));
    await symlink('../store', join(dir, 'node_modules/@s'));
    expect((await refusal(readFolder(dir))).message).toMatch(/^"node_modules\/@s" is a link/);
  });

  test.each(['{', '"text"', 'null'])('a package.json that is %s', async (text) => {
    await put({ 'package.json': text });
    expect((await refusal(readFolder(dir))).message).toBe('The file "package.json" is not a JSON object');
  });
});
