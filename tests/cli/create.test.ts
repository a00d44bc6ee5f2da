import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONTRACTS } from '../../src/broker/rooms.ts';
import { parseManifest } from '../../src/packages/manifest.ts';
import { readFolder } from '../../src/packages/read.ts';
import { PermissionCatalog } from '../../src/permissions/grants.ts';
import { streamspace } from './run.ts';

const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

for (const [language, flags] of [
  ['ts', []],
  ['js', ['--js']],
] as const) {
  test(`makes a plugin in ${language} that the host would take, and whose types hold`, async () => {
    const { code, out } = await streamspace(['plugin', 'create', 'team-notes', ...flags], { cwd });
    expect(code).toBe(0);
    expect(out).toBe(`team-notes: manifest.json, index.${language}, README.md, tsconfig.json, .gitignore\n`);

    const folder = join(cwd, 'team-notes');
    const patterns = new PermissionCatalog(CONTRACTS).patterns;
    const manifest = parseManifest(await readFolder(folder), { permissionPatterns: patterns });
    expect(manifest).toMatchObject({ name: 'team-notes', displayName: 'Team notes', permissions: [] });
    expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain('/api/plugins/team-notes/hello');

    const types = Bun.spawnSync([TSC, '-p', folder]);
    expect(types.stdout.toString()).toBe('');
    expect(types.exitCode).toBe(0);

    // The types are those of the SDK, and not `any`: a mistake is one.
    await writeFile(join(folder, 'mistake.ts'), "streamspace.storage.increment('visits', 'one');\n");
    expect(Bun.spawnSync([TSC, '-p', folder]).stdout.toString()).toContain('mistake.ts(1,41): error TS2345');
  });
}

test('--dir says where', async () => {
  const { code } = await streamspace(['plugin', 'create', 'team-notes', '--dir', 'a/b'], { cwd });
  expect(code).toBe(0);
  expect(await readdir(join(cwd, 'a/b'))).toContain('manifest.json');
});

test('writes nothing into a folder that holds something', async () => {
  await writeFile(join(cwd, 'mine.txt'), 'precious');
  const { code, err } = await streamspace(['plugin', 'create', 'team-notes', '--dir', '.'], { cwd });
  expect(code).toBe(1);
  expect(err).toContain('is not empty; nothing was written');
  expect(await readdir(cwd)).toEqual(['mine.txt']);
});

for (const name of ['No', 'ab', '1st-plugin', 'has_underscore', '../escape', 'constructor', 'pg-tables', 'plugins']) {
  test(`"${name}" is refused as a name`, async () => {
    const { code, err } = await streamspace(['plugin', 'create', name], { cwd });
    expect(code).toBe(2);
    expect(err).toContain('cannot be the name of a plugin');
    expect(await readdir(cwd)).toEqual([]);
  });
}
