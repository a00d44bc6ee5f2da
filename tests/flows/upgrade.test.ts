import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startLoad } from '../kit/load.ts';
import { install, tempFolder, tryInstall, writePlugin } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Upgrades, what they leave behind, and the way back: code, tables, keys, configuration and secrets together.

setDefaultTimeout(60_000);

let core: RunningCore;
let folders: Awaited<ReturnType<typeof tempFolder>>;

beforeAll(async () => {
  folders = await tempFolder();
  core = await startCore({ pluginDirs: [folders.path] });
});
afterAll(async () => {
  await core?.stop();
  await folders?.[Symbol.asyncDispose]();
});

const FIRST = `create table notes (id int generated always as identity primary key, text text not null);`;
const SECOND = `alter table notes add column done boolean not null default false;\nupdate notes set text = upper(text);`;

interface Version {
  readonly version: string;
  readonly migrations?: Readonly<Record<string, string>>;
  /** Lines at the end of onLoad. */
  readonly onLoad?: string;
  readonly permissions?: readonly string[];
}

/** A plugin whose endpoints show all that it has. */
function notes(name: string, { version, migrations = { '0001_notes.sql': FIRST }, onLoad = '', permissions }: Version) {
  const files = Object.entries(migrations).map(([file, sql]) => [`migrations/${file}`, sql]);
  return {
    manifest: {
      name,
      version,
      permissions: permissions ?? ['database', 'files'],
      limits: { databaseBytes: 32 * 1024 * 1024 },
      configSchema: {
        type: 'object',
        properties: { greeting: { type: 'string', default: 'hi' }, token: { type: 'string', sensitive: true } },
      },
    },
    'index.ts': `
      let loadedWith;
      export default {
        async onLoad({ api, database, storage, files, config, secrets }) {
          api.post('/notes', async (request) => {
            const { text } = await request.json();
            await database.exec('insert into notes (text) values ($1)', [text]);
            await storage.set('last', text);
            await files.put('f', text);
          }, { auth: 'public' });
          api.get('/all', async () => ({
            version: '${version}',
            rows: await database.query('select * from notes order by id'),
            last: await storage.get('last'),
            loadedWith,
            file: (await files.get('f')) === null ? null : await (await files.get('f')).text(),
            greeting: config.greeting,
            token: await secrets.get('token'),
          }), { auth: 'public' });
          loadedWith = { last: await storage.get('last'), token: await secrets.get('token') };
          ${onLoad}
        },
        onUpgrade(from) { console.info('upgraded from ' + from); },
      };`,
    ...Object.fromEntries(files),
  };
}
const WITH_BOTH = { '0001_notes.sql': FIRST, '0002_done.sql': SECOND };

// biome-ignore lint/suspicious/noExplicitAny: what the versions answer differs
const all = async (name: string): Promise<any> => {
  const { status, body } = await core.api('GET', `/api/plugins/${name}/all`, { token: null });
  if (status !== 200) throw new Error(`${name} answers ${status}: ${JSON.stringify(body)}`);
  return body;
};
const add = async (name: string, text: string): Promise<void> => {
  const { status, body } = await core.api('POST', `/api/plugins/${name}/notes`, { body: { text } });
  if (status !== 200 && status !== 204)
    throw new Error(`adding to ${name} answers ${status}: ${await core.logged(name, body.errorId)}`);
};
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;
const points = async (name: string) =>
  (await core.api('GET', `/api/plugins/${name}/restore-points`)).body.restorePoints;
const rollback = (name: string, body: object = {}) => core.api('POST', `/api/plugins/${name}/rollback`, { body });
const audit = async (name: string) => {
  const { body } = await core.api('GET', `/api/events?name=plugin.upgraded&limit=100`);
  return body.items
    .map(({ data }: { data: unknown }) => data)
    .filter((data: { plugin: string }) => data.plugin === name);
};

describe('an upgrade', () => {
  test('runs the new migrations only, keeps the rows, and says so', async () => {
    await install(core, notes('moves-on', { version: '1.0.0' }), { config: { token: 'first secret' } });
    await add('moves-on', 'one');
    expect(await all('moves-on')).toMatchObject({
      version: '1.0.0',
      rows: [{ id: 1, text: 'one' }],
      loadedWith: { last: null, token: 'first secret' },
      token: 'first secret',
    });
    await install(core, notes('moves-on', { version: '2.0.0', migrations: WITH_BOTH }));
    await core.logged('moves-on', 'upgraded from 1.0.0');
    await add('moves-on', 'two');
    expect(await all('moves-on')).toMatchObject({
      version: '2.0.0',
      rows: [
        { id: 1, text: 'ONE', done: false },
        { id: 2, text: 'two', done: false },
      ],
      loadedWith: { last: 'one' },
    });
    expect(await points('moves-on')).toMatchObject([{ version: '1.0.0', reason: 'upgrade', hasDatabase: true }]);
    expect(await audit('moves-on')).toEqual([{ plugin: 'moves-on', version: '2.0.0', from: '1.0.0' }]);
    const { body } = await core.api('GET', '/api/plugins/moves-on/versions');
    expect(body.versions).toMatchObject([
      { version: '2.0.0', current: true, codeKept: true, restorePoint: null },
      { version: '1.0.0', current: false, codeKept: true, restorePoint: (await points('moves-on'))[0].id },
    ]);
  });

  test.each([
    ['a migration', { migrations: { ...WITH_BOTH, '0003_wrong.sql': 'select 1;\nselect 1/0;' } }, 'migration_failed'],
    [
      'a migration that fills the disk',
      {
        migrations: {
          '0001_notes.sql': FIRST,
          '0002_big.sql': `create table big as select string_agg(md5(random()::text), '') as text from generate_series(1, 3000000) as n group by n % 3000; select pg_sleep(60);`,
        },
      },
      'quota_exceeded',
    ],
    ['a migration that changed', { migrations: { '0001_notes.sql': `${FIRST} -- better` } }, 'migration_changed'],
    [
      'its load',
      { migrations: WITH_BOTH, onLoad: `await database.exec('delete from notes'); throw new Error('no');` },
      'plugin_load_failed',
    ],
  ])('that fails in %s: the old version goes on, on the old schema', async (what, version, code) => {
    const name = `stays-${what.replaceAll(/\W+/g, '-')}`;
    await install(core, notes(name, { version: '1.0.0' }), { config: { token: 'old secret' } });
    await add(name, 'one');
    const before = await all(name);
    const answer = await tryInstall(core, notes(name, { version: '2.0.0', ...version }), {
      grants: 'all',
      config: { token: 'new secret' },
    });
    expect([answer.status >= 400, answer.body.code]).toEqual([true, code]);
    if (code === 'migration_failed') {
      expect(answer.body).toMatchObject({ migration: '0003_wrong.sql', line: 2, sqlstate: '22012' });
    }
    expect(await all(name)).toEqual(before);
    expect(await shown(name)).toMatchObject({ version: '1.0.0', state: 'active' });
    expect(await points(name)).toEqual([]);
    expect(await audit(name)).toEqual([]);
    await add(name, 'two');
    expect((await all(name)).rows).toHaveLength(2);
    // And it can be upgraded.
    await install(core, notes(name, { version: '3.0.0', migrations: WITH_BOTH }));
    expect(await all(name)).toMatchObject({ version: '3.0.0', rows: [{ text: 'ONE' }, { text: 'TWO' }] });
  });

  test('whose load fails has stored nothing, and what came meanwhile is there', async () => {
    const name = 'half-way';
    await install(core, notes(name, { version: '1.0.0' }));
    await add(name, 'one');
    await core.api('POST', `/api/plugins/${name}/notes`, { body: { text: 'meanwhile' } });
    const onLoad = `await storage.set('last', 'of the new version');
      await files.put('f', 'of the new version');
      await database.exec('delete from notes');
      throw new Error('no');`;
    const { body } = await tryInstall(core, notes(name, { version: '2.0.0', onLoad }), { grants: 'all' });
    expect(body.code).toBe('plugin_load_failed');
    expect(await all(name)).toMatchObject({ version: '1.0.0', last: 'meanwhile', file: 'meanwhile' });
  });

  test('keeps what its onLoad stored, and what the old version stored meanwhile', async () => {
    const name = 'both-store';
    const source = (version: string, onLoad: string) => ({
      manifest: { name, version },
      'index.ts': `export default { async onLoad({ api, storage }) {
        api.post('/set/:key', (_request, { params }) => storage.set(params.key, '${version}'), { auth: 'public' });
        api.get('/keys', async () => Object.fromEntries((await storage.list({})).entries.map(({ key, value }) => [key, value])), { auth: 'public' });
        ${onLoad}
      } };`,
    });
    const set = (key: string) => core.api('POST', `/api/plugins/${name}/set/${key}`, { token: null });
    await install(core, source('1.0.0', ''));
    for (const key of ['changed', 'removed', 'same']) await set(key);
    // The new version stops in its onLoad until the old one has stored something.
    const waits = `
      await storage.set('changed', 'new'); await storage.delete('removed'); await storage.set('added', 'new');
      console.info('in onLoad');
      for (let tries = 0; tries < 200; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));`;
    const upgrading = install(core, source('2.0.0', waits));
    await core.logged(name, 'in onLoad');
    expect((await set('meanwhile')).status).toBe(200);
    await upgrading;
    expect((await core.api('GET', `/api/plugins/${name}/keys`, { token: null })).body).toEqual({
      added: 'new',
      changed: 'new',
      meanwhile: '1.0.0',
      same: '1.0.0',
    });
  });

  test('fails no request and no statement that comes meanwhile', async () => {
    await install(core, notes('steady', { version: '1.0.0' }));
    await add('steady', 'one');
    const load = startLoad(`${core.url}/api/plugins/steady/all`, ({ status }) => status === 200);
    await load.more(20);
    await install(core, notes('steady', { version: '2.0.0', migrations: WITH_BOTH }));
    await load.more(20);
    expect((await rollback('steady')).status).toBe(200);
    await load.more(20);
    await load.stop();
    expect(load.odd).toEqual([]);
  });

  test('of one that is disabled: its migrations run, it stays so', async () => {
    await install(core, notes('sleeper', { version: '1.0.0' }));
    await add('sleeper', 'one');
    await core.api('POST', '/api/plugins/sleeper/disable');
    await install(core, notes('sleeper', { version: '2.0.0', migrations: WITH_BOTH }), { enable: false });
    expect(await shown('sleeper')).toMatchObject({ version: '2.0.0', state: 'installed' });
    expect((await core.api('POST', '/api/plugins/sleeper/enable')).status).toBe(200);
    expect(await all('sleeper')).toMatchObject({ version: '2.0.0', rows: [{ text: 'ONE', done: false }] });
  });
});

describe('a rollback', () => {
  test('brings back code, tables, keys, configuration and secrets together; and is undone by another', async () => {
    const name = 'goes-back';
    await install(core, notes(name, { version: '1.0.0' }), { config: { token: 'first secret', greeting: 'hello' } });
    await add(name, 'one');
    const first = await all(name);
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH }), {
      config: { token: 'second secret', greeting: 'ciao' },
    });
    await add(name, 'two');
    const second = await all(name);
    expect(second).toMatchObject({ greeting: 'ciao', token: 'second secret', last: 'two' });

    const back = await rollback(name);
    expect([back.status, back.body.version, back.body.config.greeting]).toEqual([200, '1.0.0', 'hello']);
    // What onLoad saw was of then too.
    expect(await all(name)).toEqual({ ...first, loadedWith: { last: 'one', token: 'first secret' } });
    expect(await points(name)).toMatchObject([{ version: '2.0.0', reason: 'rollback' }, { version: '1.0.0' }]);
    await add(name, 'another two');

    const again = await rollback(name, { version: '2.0.0' });
    expect(again.status).toBe(200);
    expect(await all(name)).toEqual({ ...second, loadedWith: { last: 'two', token: 'second secret' } });
    // A point is what it was, however often one goes back to it.
    const [, , oldest] = await points(name);
    expect(oldest).toMatchObject({ version: '1.0.0', reason: 'upgrade' });
    expect((await rollback(name, { restorePoint: oldest.id })).status).toBe(200);
    expect((await all(name)).rows).toEqual(first.rows);
    expect(await audit(name)).toMatchObject([
      { version: '1.0.0' },
      { version: '2.0.0' },
      { version: '1.0.0' },
      { from: '1.0.0' },
    ]);
  });

  test('with data=keep: the code of then, the data of now', async () => {
    const name = 'keeps-data';
    await install(core, notes(name, { version: '1.0.0' }), { config: { greeting: 'hello' } });
    await add(name, 'one');
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH }), { config: { greeting: 'ciao' } });
    await add(name, 'two');
    expect((await rollback(name, { version: '1.0.0', data: 'keep' })).status).toBe(200);
    expect(await all(name)).toMatchObject({
      version: '1.0.0',
      greeting: 'hello',
      rows: [{ text: 'ONE' }, { text: 'two' }],
      last: 'two',
    });
    await core.logged(name, 'upgraded from 2.0.0');
  });

  test('to a version that cannot read what is stored now: it finds what was stored then', async () => {
    const name = 'reads-then';
    const strict = `if (await storage.get('format') === 2) throw new Error('what is this?');`;
    await install(core, notes(name, { version: '1.0.0', onLoad: strict }));
    await add(name, 'one');
    const newer = `await storage.set('format', 2);`;
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH, onLoad: newer }));
    const load = startLoad(`${core.url}/api/plugins/${name}/all`, ({ status }) => status === 200);
    await load.more(20);
    expect((await rollback(name)).status).toBe(200);
    await load.more(20);
    await load.stop();
    expect(load.odd).toEqual([]);
    expect(await all(name)).toMatchObject({ version: '1.0.0', rows: [{ text: 'one' }], last: 'one' });
  });

  test('to a version that does not load: everything is as it was, the restore points too', async () => {
    const name = 'cannot-go-back';
    await install(core, {
      manifest: { name: 'gatekeeper' },
      'index.ts': `let open = true;
        export default { onLoad({ api, plugins }) {
          plugins.expose({ isOpen: () => open });
          api.post('/shut', () => { open = false; }, { auth: 'public' });
        } };`,
    });
    const permissions = ['database', 'files', 'plugins:call:gatekeeper'];
    const fickle = `if (!(await streamspace.plugins.call('gatekeeper', 'isOpen'))) {
      await database.exec('delete from notes');
      await storage.set('last', 'was here');
      throw new Error('no way');
    }`;
    await install(core, notes(name, { version: '1.0.0', onLoad: fickle, permissions }));
    await add(name, 'one');
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH, permissions }));
    await core.api('POST', '/api/plugins/gatekeeper/shut');
    await add(name, 'two');
    const before = await all(name);
    const pointsBefore = await points(name);
    const answer = await rollback(name);
    expect([answer.status, answer.body.code]).toEqual([422, 'plugin_load_failed']);
    expect(await all(name)).toEqual({ ...before, loadedWith: expect.anything() });
    expect(await shown(name)).toMatchObject({ version: '2.0.0', state: 'active' });
    expect(await points(name)).toEqual(pointsBefore);
  });

  test('of one that is disabled leaves it so', async () => {
    const name = 'back-asleep';
    await install(core, notes(name, { version: '1.0.0' }));
    await add(name, 'one');
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH }));
    await core.api('POST', `/api/plugins/${name}/disable`);
    expect((await rollback(name)).body).toMatchObject({ version: '1.0.0', state: 'installed', enabled: false });
    await core.api('POST', `/api/plugins/${name}/enable`);
    expect(await all(name)).toMatchObject({ version: '1.0.0', rows: [{ text: 'one' }] });
  });

  test('to what is not kept is refused, with what there is', async () => {
    const name = 'nothing-kept';
    await install(core, notes(name, { version: '1.0.0' }));
    const none = await rollback(name);
    expect([none.status, none.body.code]).toEqual([404, 'restore_point_not_found']);
    await install(core, notes(name, { version: '2.0.0' }));
    const [point] = await points(name);
    expect((await core.api('DELETE', `/api/plugins/${name}/restore-points/${point.id}`)).status).toBe(204);
    const gone = await rollback(name, { version: '1.0.0' });
    expect(gone.body).toMatchObject({ code: 'restore_point_not_found', detail: expect.stringContaining('data=keep') });
    // Its code is.
    expect((await rollback(name, { version: '1.0.0', data: 'keep' })).body).toMatchObject({ version: '1.0.0' });
    expect((await rollback(name, { version: '7.0.0', data: 'keep' })).status).toBe(404);
    expect((await rollback(name, { version: 'x y' })).status).toBe(422);
  });
});

describe('restore points', () => {
  test('are made by hand too', async () => {
    const name = 'by-hand';
    await install(core, notes(name, { version: '1.0.0' }));
    await add(name, 'one');
    const made = await core.api('POST', `/api/plugins/${name}/restore-points`);
    expect([made.status, made.body]).toEqual([201, expect.objectContaining({ version: '1.0.0', reason: 'manual' })]);
    await add(name, 'two');
    expect((await all(name)).rows).toHaveLength(2);
    expect((await rollback(name, { restorePoint: made.body.id })).status).toBe(200);
    expect(await all(name)).toMatchObject({ version: '1.0.0', rows: [{ text: 'one' }], last: 'one' });
  });

  test('go with the plugin, and stay with its data', async () => {
    const name = 'comes-again';
    await install(core, notes(name, { version: '1.0.0' }), { config: { token: 'kept secret' } });
    await add(name, 'one');
    await install(core, notes(name, { version: '2.0.0', migrations: WITH_BOTH }));
    expect((await core.api('DELETE', `/api/plugins/${name}?data=keep`)).status).toBe(204);
    // A later install finds the tables, and migrates them.
    const third = { ...WITH_BOTH, '0003_more.sql': `alter table notes add column more text default 'm'` };
    await install(core, notes(name, { version: '3.0.0', migrations: third }));
    expect(await all(name)).toMatchObject({
      version: '3.0.0',
      rows: [{ text: 'ONE', done: false, more: 'm' }],
      last: 'one',
    });
    expect(await points(name)).toMatchObject([{ version: '1.0.0' }]);
    expect((await rollback(name, { version: '1.0.0' })).status).toBe(200);
    expect(await all(name)).toMatchObject({ version: '1.0.0', rows: [{ text: 'one' }] });

    expect((await core.api('DELETE', `/api/plugins/${name}`)).status).toBe(204);
    await install(core, notes(name, { version: '1.0.0' }));
    expect(await points(name)).toEqual([]);
    expect(await all(name)).toMatchObject({ rows: [], last: null });
  });

  test('of a plugin without a database hold the rest', async () => {
    const name = 'no-tables';
    const source = (version: string) => ({
      manifest: { name, version },
      'index.ts': `export default { onLoad({ api, storage }) {
        api.post('/add', () => storage.increment('n', 1), { auth: 'public' });
        api.get('/n', async () => ({ version: '${version}', n: await storage.get('n') }), { auth: 'public' });
      } };`,
    });
    const n = async () => (await core.api('GET', `/api/plugins/${name}/n`, { token: null })).body;
    await install(core, source('1.0.0'));
    await core.api('POST', `/api/plugins/${name}/add`);
    await install(core, source('2.0.0'));
    await core.api('POST', `/api/plugins/${name}/add`);
    expect(await n()).toEqual({ version: '2.0.0', n: 2 });
    expect(await points(name)).toMatchObject([{ hasDatabase: false }]);
    await rollback(name);
    expect(await n()).toEqual({ version: '1.0.0', n: 1 });
  });

  test('and the way back are for admins', async () => {
    const user = await core.signUp('roller@example.com');
    for (const [method, path] of [
      ['GET', 'versions'],
      ['GET', 'restore-points'],
      ['POST', 'restore-points'],
      ['DELETE', 'restore-points/1'],
      ['POST', 'rollback'],
    ] as const) {
      expect((await core.api(method, `/api/plugins/moves-on/${path}`, { token: user })).status).toBe(403);
    }
  });
});

test('a first install that fails leaves nothing of its tables', async () => {
  const name = 'never-was';
  const wrong = notes(name, {
    version: '1.0.0',
    onLoad: `await database.exec('insert into notes (text) values ($1)', ['x']); throw new Error('no');`,
  });
  expect((await tryInstall(core, wrong, { grants: 'all' })).body.code).toBe('plugin_load_failed');
  await install(core, notes(name, { version: '1.0.0' }));
  expect((await all(name)).rows).toEqual([]);
});

describe('a plugin in a watched folder', () => {
  const name = 'in-a-folder';
  const save = (version: Version) => writePlugin(join(folders.path, name), notes(name, version));
  const running = (version: string) =>
    until(
      async () => (await shown(name)).version === version && (await all(name)).version === version,
      `${version} runs`,
    );

  test('is upgraded by what is saved there, with all that belongs to it', async () => {
    await save({ version: '1.0.0' });
    await until(async () => (await shown(name)).state === 'active', 'it is found');
    await add(name, 'one');
    // Another migration of the same version.
    await save({ version: '1.0.0', migrations: WITH_BOTH });
    await until(async () => (await all(name)).rows[0].text === 'ONE', 'it is migrated');
    expect(await points(name)).toMatchObject([{ version: '1.0.0', reason: 'upgrade' }]);
    expect(await audit(name)).toEqual([]);
    await save({ version: '2.0.0', migrations: WITH_BOTH });
    await running('2.0.0');
    await core.logged(name, 'upgraded from 1.0.0');
    expect(await points(name)).toMatchObject([{ version: '1.0.0' }, { version: '1.0.0' }]);
    expect(await audit(name)).toEqual([{ plugin: name, version: '2.0.0', from: '1.0.0' }]);
  });

  test('goes on as it was when what is saved there fails, and shows why', async () => {
    await save({ version: '2.0.0', migrations: { ...WITH_BOTH, '0003_wrong.sql': 'drop table nothing' } });
    const { error } = await until(async () => {
      const view = await shown(name);
      return view.error === null ? null : view;
    }, 'it says what is wrong');
    expect(error).toMatchObject({
      code: 'migration_failed',
      message: expect.stringContaining('migrations/0003_wrong.sql:1'),
    });
    expect(await all(name)).toMatchObject({ version: '2.0.0', rows: [{ text: 'ONE' }] });
    await rm(join(folders.path, name, 'migrations/0003_wrong.sql'));
    await until(async () => (await shown(name)).error === null, 'it is well again');
  });

  test('is reloaded without a new database where nothing asks for one, and in no time', async () => {
    const kept = await points(name);
    await save({ version: '2.0.0', migrations: WITH_BOTH, onLoad: `console.info('saved anew');` });
    await core.logged(name, 'saved anew');
    const { ms } = await core.line(
      (line) => line.msg === 'reloaded a plugin' && line.plugin === name,
      'it is reloaded',
    );
    expect(ms).toBeLessThan(2_000);
    expect(await points(name)).toEqual(kept);
    expect((await all(name)).rows).toMatchObject([{ text: 'ONE' }]);
  });

  test('takes another text of a migration that ran on the tables of before', async () => {
    const third = (column: string) => ({
      ...WITH_BOTH,
      '0003_third.sql': `alter table notes add column ${column} text;`,
    });
    await save({ version: '2.0.0', migrations: third('colour') });
    await until(async () => 'colour' in (await all(name)).rows[0], 'the third ran');
    await save({ version: '2.0.0', migrations: third('color') });
    await until(async () => (await shown(name)).error?.code === 'migration_changed', 'it says so');
    expect((await rollback(name)).status).toBe(200);
    const [row] = (await all(name)).rows;
    expect([row.text, 'color' in row, 'colour' in row]).toEqual(['ONE', true, false]);
    expect((await shown(name)).error).toBeNull();
    await rm(join(folders.path, name, 'migrations/0003_third.sql'));
  });

  test('is rolled back when the folder holds the version of then; else the error says what to do', async () => {
    await add(name, 'two');
    const refused = await rollback(name, { version: '1.0.0' });
    expect(refused.body).toMatchObject({
      code: 'rollback_impossible',
      detail: expect.stringContaining(join(folders.path, name)),
    });
    await rm(join(folders.path, name, 'migrations/0002_done.sql'));
    await save({ version: '1.0.0' });
    await running('1.0.0');
    const oldest = (await points(name)).at(-1);
    expect((await rollback(name, { restorePoint: oldest.id })).status).toBe(200);
    expect(await all(name)).toMatchObject({ version: '1.0.0', rows: [{ text: 'one' }], last: 'one' });
    expect((await all(name)).rows[0].done).toBeUndefined();
  });
});
