import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArchive, readFolder } from '../../src/packages/read.ts';
import { streamspace } from './run.ts';

const PLUGINS = fileURLToPath(new URL('../../plugins', import.meta.url));

let cwd: string;
let folder: string;
const put = (path: string, content: string | object) =>
  writeFile(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
  folder = join(cwd, 'notes');
  await mkdir(folder);
  await put('manifest.json', { name: 'notes', version: '1.2.3' });
  await put('index.ts', 'export default {};\n');
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

test('writes an archive of exactly the folder, and says its digest', async () => {
  const { code, out } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
  expect(code).toBe(0);
  const archive = await readFile(join(cwd, 'notes-1.2.3.tar.gz'));
  expect(out).toContain('notes-1.2.3.tar.gz  2 files');
  expect(out).toContain(`sha256 ${new Bun.CryptoHasher('sha256').update(archive).digest('hex')}`);
  expect((await readArchive(archive)).digest).toBe((await readFolder(folder)).digest);
});

test('packs the folder that it is run in, and the same bytes each time', async () => {
  const first = await streamspace(['plugin', 'pack', '-o', '../a.tgz'], { cwd: folder });
  const second = await streamspace(['plugin', 'pack', '-o', '../b.tgz'], { cwd: folder });
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(await readFile(join(cwd, 'a.tgz'))).toEqual(await readFile(join(cwd, 'b.tgz')));
});

test('takes along the npm packages that the plugin needs when it runs', async () => {
  await put('package.json', { dependencies: { greeting: '1' }, devDependencies: { linter: '1' } });
  for (const name of ['greeting', 'linter']) {
    await mkdir(join(folder, 'node_modules', name), { recursive: true });
    await put(`node_modules/${name}/package.json`, { name });
    await put(`node_modules/${name}/index.js`, `export default '${name}'`);
  }
  await put('index.ts', "import text from 'greeting';\nexport default { text };\n");
  const { code } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
  expect(code).toBe(0);
  const { files } = await readArchive(await readFile(join(cwd, 'notes-1.2.3.tar.gz')));
  const inside = [...files.keys()].filter((path) => path.startsWith('node_modules/'));
  expect(inside).toEqual(['node_modules/greeting/index.js', 'node_modules/greeting/package.json']);
});

describe('what the host would refuse is refused here, with the place', () => {
  afterEach(async () => {
    expect((await readdir(cwd)).filter((name) => name.endsWith('.tar.gz'))).toEqual([]);
  });

  test('an unknown key of the manifest', async () => {
    await put('manifest.json', { name: 'notes', version: '1.2.3', permisions: [] });
    const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('manifest_invalid');
    expect(err).toContain('/permisions');
  });

  test('an unknown permission', async () => {
    await put('manifest.json', { name: 'notes', version: '1.2.3', permissions: ['everything'] });
    const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('/permissions/0');
  });

  test('source that does not parse, with file and line', async () => {
    await put('index.ts', 'export default {\n  onLoad( {},\n};\n');
    const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('bundle_failed');
    expect(err).toContain('index.ts:3');
  });

  test('an import that leads out of the package', async () => {
    await writeFile(join(cwd, 'secret.txt'), 'secret');
    await put('index.ts', "import secret from '../secret.txt';\nexport default { secret };\n");
    const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('leads out of the package');
  });

  test('a link', async () => {
    await symlink('/etc/passwd', join(folder, 'passwd'));
    const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('symbolic link');
  });

  test('a folder that is not there', async () => {
    const { code, err } = await streamspace(['plugin', 'pack', 'nowhere'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('package_invalid');
  });
});

test('control characters of a source do not reach the terminal', async () => {
  await put('index.ts', "import '\u001b]0;owned\u0007';\n");
  const { code, err } = await streamspace(['plugin', 'pack', 'notes'], { cwd });
  expect(code).toBe(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(err).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
});

for (const name of ['hello', 'streamspace-slack']) {
  test(`the plugin ${name} of this repository packs`, async () => {
    const { code, err } = await streamspace(['plugin', 'pack', join(PLUGINS, name), '-o', 'out.tgz'], { cwd });
    expect([code, err]).toEqual([0, '']);
  });
}
