import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ran, streamspace } from '../cli/run.ts';
import { install, tempFolder } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { KEEPER } from './keeper.ts';

// One instance through the real commands: backed up while it runs, restored elsewhere, and one plugin of it once more.

setDefaultTimeout(120_000);

let core: RunningCore;
let folder: AsyncDisposable & { readonly path: string };
beforeAll(async () => {
  folder = await tempFolder();
  core = await startCore();
  await install(core, KEEPER, { config: { colour: 'blue', key: 'the secret of the keeper' } });
  await core.signUp('ada@example.com');
  for (const word of ['one', 'two']) await core.api('POST', '/api/plugins/keeper/keep', { body: { word } });
});
afterAll(async () => {
  await core?.stop();
  await folder?.[Symbol.asyncDispose]();
});

function run(args: readonly string[], of = core, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return streamspace(args, {
    cwd: folder.path,
    env: { STREAMSPACE_URL: of.url, STREAMSPACE_TOKEN: of.token, ...env },
  });
}

const kept = async (of: RunningCore) => (await of.api('GET', '/api/plugins/keeper/kept')).body;

test('an instance comes back in another folder, with users, plugins and all that they keep', async () => {
  const before = await kept(core);
  expect(before).toMatchObject({
    notes: [
      { id: 1, text: 'one', mood: 'good' },
      { id: 2, text: 'two', mood: 'good' },
    ],
    word: 'two',
    times: 2,
    texts: { empty: '', 'words/one.txt': 'the word is one', 'words/two.txt': 'the word is two' },
    colour: 'blue',
    key: 'the secret of the keeper',
  });
  const made = await run(['backup', '-o', 'all.tar.gz', '--json']);
  expect(made).toMatchObject({ code: 0, err: '' });
  const what = JSON.parse(made.out);
  expect(what).toMatchObject({ scope: 'instance', keyIds: [expect.any(String)] });
  expect(what.plugins).toContainEqual({ name: 'keeper', version: '1.0.0', database: true });
  const dataDir = join(folder.path, 'elsewhere');
  const restore = (...more: string[]) => run(['restore', 'all.tar.gz', '--data-dir', dataDir, ...more]);
  const refused = await restore();
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('backup_key_differs');
  await mkdir(dataDir, { recursive: true });
  await copyFile(join(core.dataDir, 'secret.key'), join(dataDir, 'secret.key'));
  const done = await restore();
  expect(done).toMatchObject({ code: 0 });
  expect(done.out).toContain('It is restored into');

  await using other = await startCore({ dataDir, database: 'embedded' });
  expect(await kept(other)).toEqual(before);
  const { body } = await other.api('GET', '/api/users');
  expect(JSON.stringify(body)).toContain('ada@example.com');
  // What goes on counts on.
  await other.api('POST', '/api/plugins/keeper/keep', { body: { word: 'three' } });
  expect((await kept(other)).notes).toContainEqual({ id: 3, text: 'three', mood: 'good' });

  const busy = await restore('--replace', '--yes');
  expect(busy.code).toBe(1);
  expect(busy.err).toContain('is in use by the process');
  await other.stop();

  expect((await restore()).err).toContain('There is an instance in');
  expect((await restore('--replace')).err).toContain('there is no terminal to ask on');
});

test('a plugin comes back by the command, and a backup that fails leaves no file', async () => {
  const before = await kept(core);
  await core.api('POST', '/api/plugins/keeper/keep', { body: { word: 'later' } });
  const done = await run(['restore', 'all.tar.gz', '--plugin', 'keeper']);
  expect(done).toMatchObject({ code: 0 });
  expect(done.out).toContain('keeper is again what it was on');
  expect(await kept(core)).toEqual(before);

  await install(core, {
    manifest: { name: 'odd-one', permissions: ['database'] },
    'migrations/001.sql': 'create aggregate total (integer) (sfunc = int4pl, stype = integer)',
    'index.ts': 'export default {};',
  });
  const failed = await run(['backup', '-o', 'failed.tar.gz']);
  expect(failed.code).toBe(1);
  expect(failed.err).toContain('backup_unsupported');
  expect(failed.err).toContain('aggregate function plugin.total(integer)');
  expect((await readdir(folder.path)).filter((name) => name.startsWith('failed'))).toEqual([]);
});
