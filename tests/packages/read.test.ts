import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packArchive } from '../../src/packages/pack.ts';
import { readArchive, readFolder } from '../../src/packages/read.ts';
import { MANIFEST, refusal, tarGz } from './fixture.ts';

const SOURCES = [
  ['manifest.json', MANIFEST],
  ['index.ts', 'export default {}'],
  ['lib/ä.ts', 'export const a = "ä"'],
] as const;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'streamspace-read-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function writeSources(): Promise<void> {
  await mkdir(join(dir, 'lib'));
  for (const [path, content] of SOURCES) await writeFile(join(dir, path), content);
}

describe('readArchive', () => {
  test('gives paths and contents, sorted', async () => {
    const pkg = await readArchive(await tarGz(SOURCES));
    expect([...pkg.files.keys()]).toEqual(['index.ts', 'lib/ä.ts', 'manifest.json']);
    expect(Buffer.from(pkg.files.get('lib/ä.ts') ?? []).toString()).toBe('export const a = "ä"');
    expect(pkg.bytes).toBe(SOURCES.reduce((sum, [, content]) => sum + Buffer.byteLength(content), 0));
  });

  test('reads a stream of small chunks as it reads bytes', async () => {
    const archive = await tarGz(SOURCES);
    const small = new Blob([new Uint8Array(archive)]).stream().pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          for (let at = 0; at < chunk.length; at += 7) controller.enqueue(chunk.subarray(at, at + 7));
        },
      }),
    );
    expect((await readArchive(small)).digest).toBe((await readArchive(archive)).digest);
  });

  test.each(['package/', 'my-plugin/', './my-plugin/'])('takes off the single top-level folder %p', async (folder) => {
    const wrapped = await readArchive(
      await tarGz([
        { name: folder, type: 'directory' },
        ...SOURCES.map(([path, content]) => [folder + path, content] as const),
      ]),
    );
    expect(wrapped.digest).toBe((await readArchive(await tarGz(SOURCES))).digest);
  });

  test('keeps the folder when the manifest is not in it', async () => {
    const pkg = await readArchive(await tarGz([['src/index.ts', '']]));
    expect([...pkg.files.keys()]).toEqual(['src/index.ts']);
  });

  test('takes "./" before paths and leaves out dot files, as `tar -C folder .` on a Mac makes them', async () => {
    const archive = await tarGz([
      { name: './', type: 'directory' },
      './._manifest.json',
      ...SOURCES.map(([path, content]) => [`./${path}`, content] as const),
      './lib/.DS_Store',
      './index.ts~',
    ]);
    expect((await readArchive(archive)).digest).toBe((await readArchive(await tarGz(SOURCES))).digest);
  });

  test('the digest tells contents, names and the borders between them apart, and nothing else', async () => {
    const digest = async (...entries: (readonly [string, string])[]) =>
      (await readArchive(await tarGz(entries))).digest;
    const base = await digest(['a', 'xy'], ['b', 'z']);
    expect(await digest(['b', 'z'], ['a', 'xy'])).toBe(base);
    expect(await digest(['a', 'x'], ['b', 'yz'])).not.toBe(base);
    expect(await digest(['a', 'xy'], ['c', 'z'])).not.toBe(base);
    expect(await digest(['a', 'xyb\x001\nz'])).not.toBe(base);
  });

  test('reads long names in pax records', async () => {
    const path = `${'long-folder-name/'.repeat(10)}${'x'.repeat(200)}.ts`;
    expect((await readArchive(await tarGz([[path, '1']]))).files.has(path)).toBe(true);
  });
});

describe('readFolder', () => {
  test('gives the same package as the archive of the folder', async () => {
    await writeSources();
    expect(await readFolder(dir)).toEqual(await readArchive(await tarGz(SOURCES)));
  });

  test('leaves out dot files and editor backups, reads node_modules', async () => {
    await writeSources();
    for (const folder of ['.git', 'node_modules/x', 'node_modules/.bin'])
      await mkdir(join(dir, folder), { recursive: true });
    for (const path of ['.git/HEAD', '.env', 'index.ts~', '.index.ts.swp', 'node_modules/x/index.js'])
      await writeFile(join(dir, path), '1');
    await symlink('../x/index.js', join(dir, 'node_modules/.bin/x'));
    const { files } = await readFolder(dir);
    expect([...files.keys()]).toEqual(['index.ts', 'lib/ä.ts', 'manifest.json', 'node_modules/x/index.js']);
  });

  test.each([
    ['link.ts', 'index.ts'],
    ['out', '/etc'],
    ['broken', 'nowhere'],
  ])('refuses the symbolic link %p and names it', async (name, target) => {
    await writeSources();
    await symlink(target, join(dir, name));
    const error = await refusal(readFolder(dir));
    expect(error.code).toBe('package_invalid');
    expect(error.message).toContain(`"${name}" is a symbolic link`);
  });

  test('refuses a fifo without waiting for it', async () => {
    await writeSources();
    Bun.spawnSync(['mkfifo', join(dir, 'pipe.ts')]);
    expect((await refusal(readFolder(dir))).message).toContain('"pipe.ts" is a special file');
  });

  test('refuses a folder that is not there', async () => {
    expect((await refusal(readFolder(join(dir, 'nowhere')))).message).toContain('ENOENT');
  });
});

describe('packArchive', () => {
  test('is read back as the same package', async () => {
    const pkg = await readArchive(await tarGz(SOURCES));
    expect(await readArchive(await packArchive(pkg))).toEqual(pkg);
  });

  test('gives the same bytes whatever the times and order of the files', async () => {
    await writeSources();
    const first = await packArchive(await readFolder(dir));
    await utimes(join(dir, 'index.ts'), 1, 1);
    expect(await packArchive(await readFolder(dir))).toEqual(first);
    expect(await packArchive(await readArchive(await tarGz(SOURCES.toReversed())))).toEqual(first);
  });
});
