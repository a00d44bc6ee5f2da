import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { forged } from './archives.ts';
import { KEEPER } from './keeper.ts';

// One plugin through REST: taken out of a running instance, and put into one.

setDefaultTimeout(120_000);

let core: RunningCore;
beforeAll(async () => {
  core = await startCore();
  await install(core, KEEPER, { config: { colour: 'blue', key: 'the secret of the keeper' } });
  await keep(core, 'one');
});
afterAll(async () => {
  await core?.stop();
});

const keep = (of: RunningCore, word: string) => of.api('POST', '/api/plugins/keeper/keep', { body: { word } });
const kept = async (of: RunningCore) => (await of.api('GET', '/api/plugins/keeper/kept')).body;

async function backupOf(of: RunningCore, query: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`${of.url}/api/backup${query}`, { headers: { authorization: `Bearer ${of.token}` } });
  expect(answer.status).toBe(200);
  return answer.bytes();
}

const restore = (of: RunningCore, file: Uint8Array, query = '?plugin=keeper') =>
  of.api('POST', `/api/restore${query}`, { body: file, headers: { 'content-type': 'application/gzip' } });

test('a plugin is again what it was, and what it was before that is a restore point', async () => {
  const before = await kept(core);
  const file = await backupOf(core, '?plugin=keeper');
  await keep(core, 'two');
  await core.api('PATCH', '/api/plugins/keeper', { body: { config: { colour: 'green', key: '********' } } });
  const between = await kept(core);
  expect(between).not.toEqual(before);

  const { status, body } = await restore(core, file);
  expect({ status, body }).toMatchObject({ status: 200, body: { secretsMissing: [], plugin: { state: 'active' } } });
  expect(await kept(core)).toEqual(before);
  const points = (await core.api('GET', '/api/plugins/keeper/restore-points')).body;
  expect(JSON.stringify(points)).not.toContain('"backup"');

  await core.api('POST', '/api/plugins/keeper/rollback', { body: {} });
  expect(await kept(core)).toEqual(between);
});

test('a backup that is cut off or changed changes nothing, wherever that is', async () => {
  const file = await backupOf(core, '?plugin=keeper');
  await keep(core, 'three');
  const before = await kept(core);
  const changed = Uint8Array.from(file);
  changed[Math.floor(file.length / 2)] = (changed[Math.floor(file.length / 2)] ?? 0) ^ 0x10;
  for (const bad of [file.subarray(0, 100), file.subarray(0, file.length / 2), file.subarray(0, -10), changed]) {
    const { status, body } = await restore(core, bad);
    expect({ status, body }).toMatchObject({ status: 422, body: { code: 'backup_damaged' } });
  }
  expect((await restore(core, file, '?plugin=other-one')).body).toMatchObject({ code: 'backup_incompatible' });
  expect(await kept(core)).toEqual(before);
  expect((await core.api('POST', '/api/restore?plugin=keeper', { body: file, token: null })).status).toBe(401);
  const user = await core.signUp('user@example.com');
  expect((await core.api('GET', '/api/backup', { token: user })).status).toBe(403);
});

test('a backup that somebody made up gets no further than the plugin itself could', async () => {
  const file = await backupOf(core, '?plugin=keeper');
  const before = await kept(core);
  const forgeries: readonly (readonly [code: string, edit: (name: string, content: string) => string])[] = [
    ['backup_damaged', (name, text) => (name === 'core/plugin_files' ? text.replaceAll('words/', '../../') : text)],
    [
      'backup_damaged',
      (name, text) => (name === 'core/plugin_files' ? text.replace('text/plain', 'text/plain\\r\\nx: y') : text),
    ],
    ['backup_damaged', (name, text) => (name.startsWith('blobs/') ? `${text}!` : text)],
    [
      'backup_damaged',
      (name, text) => (name === 'core/plugin_storage' ? text.replace('\tword\t', `\t${'w'.repeat(600)}\t`) : text),
    ],
    [
      'backup_damaged',
      (name, text) => (name === 'core/installed_plugins' ? text.replace('\t1.0.0\t', '\t9.9.9\t') : text),
    ],
    ['restore_failed', (name, text) => (name === 'core/plugin_secrets' ? 'nonsense\n' : text)],
    [
      'restore_failed',
      (name, text) =>
        name === 'plugins/keeper/schema' ? text.replace('create table', 'create extension dblink; create table') : text,
    ],
    ['restore_failed', (name, text) => (name === 'plugins/keeper/rows/00001' ? `a\tb\n${text}` : text)],
    ['backup_damaged', (name, text) => (name === 'plugins/keeper/tables' ? '[{"table":"notes"}]' : text)],
  ];
  for (const [code, edit] of forgeries) {
    const { status, body } = await restore(core, await forged(file, edit));
    expect({ status, code: body.code, edit: edit.toString() }).toEqual({ status: 422, code, edit: edit.toString() });
  }
  expect(await kept(core)).toEqual(before);
  // Rows of others, and of the core, in it are nobody's.
  const others = await forged(file, (name, text) =>
    name === 'core/plugin_storage' ? `${text}${text.replaceAll('keeper', 'hello')}` : text,
  );
  expect(await restore(core, others)).toMatchObject({ status: 200 });
  expect((await core.api('GET', '/api/plugins/hello/data/storage')).body.entries ?? []).toEqual([]);
  expect(await kept(core)).toEqual(before);
});

test('a plugin that is gone comes back, with consent, of a backup of the whole instance too', async () => {
  const before = await kept(core);
  const file = await backupOf(core, '');
  expect((await core.api('DELETE', '/api/plugins/keeper')).status).toBe(204);
  const asked = await restore(core, file);
  expect(asked).toMatchObject({ status: 409, body: { code: 'consent_required' } });
  expect((await core.api('GET', '/api/plugins/keeper')).status).toBe(404);
  expect(await restore(core, file, '?plugin=keeper&grants=all')).toMatchObject({ status: 200 });
  expect(await kept(core)).toEqual(before);
});

test('in another instance, with another key, it waits for its secrets', async () => {
  const before = await kept(core);
  const file = await backupOf(core, '?plugin=keeper');
  await using other = await startCore();
  const { status, body } = await restore(other, file, '?plugin=keeper&grants=database,files');
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { secretsMissing: ['key'], plugin: { enabled: false } },
  });
  const config = { colour: before.colour, key: 'the secret of the keeper' };
  const enabled = await other.api('PATCH', '/api/plugins/keeper', { body: { enabled: true, config } });
  expect(enabled.body).toMatchObject({ state: 'active' });
  expect(await kept(other)).toEqual(before);
});

test('what a plugin has that a backup cannot hold is named, and the plugin can be left out', async () => {
  await install(core, {
    manifest: { name: 'odd-one', permissions: ['database'] },
    'migrations/001.sql': 'create aggregate total (integer) (sfunc = int4pl, stype = integer)',
    'index.ts': 'export default {};',
  });
  const failed = await backupOf(core, '');
  expect(await restore(core, failed)).toMatchObject({ status: 409, body: { code: 'backup_unsupported' } });
  expect((await restore(core, failed)).body.detail).toContain('odd-one: A backup cannot hold: aggregate function');
  expect(await restore(core, await backupOf(core, '?without=odd-one'))).toMatchObject({ status: 200 });
});
