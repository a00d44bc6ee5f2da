import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install, tempFolder, writePlugin } from '../kit/plugin.ts';
import { alive, descendantsOf } from '../kit/processes.ts';
import { remoteControl } from '../kit/remote-control.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// One data folder, several cores after each other: what was there is there, and nobody outlives the core.

setDefaultTimeout(60_000);

let data: Awaited<ReturnType<typeof tempFolder>>;
let folders: Awaited<ReturnType<typeof tempFolder>>;
let core: RunningCore;

const start = () => startCore({ dataDir: data.path, database: 'embedded', pluginDirs: [folders.path] });
const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });

beforeAll(async () => {
  data = await tempFolder();
  folders = await tempFolder();
  await writePlugin(`${folders.path}/from-folder`, {
    manifest: { name: 'from-folder' },
    'index.ts': `export default { onLoad({ api }) { api.get('/', () => 'from the folder', { auth: 'public' }); } };`,
  });
  core = await start();
  await install(core, 'remote-control', { config: { colour: 'green', apiKey: 'the key of the tests' } });
  const remote = remoteControl(core);
  await remote('storage.set', 'kept', { deep: ['é', 1] });
  await install(core, { manifest: { name: 'disabled-one' }, 'index.ts': 'export default {};' }, { enable: false });
});
afterAll(async () => {
  await core?.stop();
  await data?.[Symbol.asyncDispose]();
  await folders?.[Symbol.asyncDispose]();
});

/** What a restart must not change. */
async function expectAllThere(): Promise<void> {
  const remote = remoteControl(core);
  expect((await remote('storage.get', 'kept')).value).toEqual({ deep: ['é', 1] });
  expect((await remote('secrets.get', 'apiKey')).value).toBe('the key of the tests');
  expect((await get('remote-control/config')).body).toEqual({ colour: 'green' });
  expect((await get('from-folder/')).body).toBe('from the folder');
  const { plugins } = (await core.api('GET', '/api/plugins')).body;
  const states = Object.fromEntries(plugins.map(({ name, state }: { name: string; state: string }) => [name, state]));
  expect(states).toMatchObject({ 'remote-control': 'active', 'from-folder': 'active', 'disabled-one': 'installed' });
}

test('a stop and a start: plugins, config, secrets and storage are there', async () => {
  await expectAllThere();
  const family = descendantsOf(core.pid);
  expect(await core.stop()).toBe(0);
  expect(alive(family)).toEqual([]);
  core = await start();
  await expectAllThere();
  // Secrets are redacted again, too.
  await remoteControl(core)('log.info', 'the key is the key of the tests');
  expect(await core.logged('remote-control', 'the key is')).not.toContain('the key of the tests');
});

describe('a core that is killed', () => {
  test('leaves no child, and the next one starts and finds everything', async () => {
    await install(core, { manifest: { name: 'bundled' }, 'index.ts': 'export default {};' });
    const family = descendantsOf(core.pid);
    const commands = family.map(({ command }) => command).join('\n');
    for (const child of [/postgres -D/, /runtime\/main\.ts/, /esbuild/]) expect(commands).toMatch(child);
    await core.kill();
    await until(() => alive(family).length === 0, 'no child is left', 15_000);
    await core.stop();
    core = await start();
    await expectAllThere();
  });

  test('in the middle of an install: the version before is intact', async () => {
    const versioned = (version: string) => ({
      manifest: { name: 'versioned', version },
      'index.ts': `
        export default {
          async onLoad({ api }) {
            api.get('/', () => '${version}', { auth: 'public' });
            if ('${version}' === '2.0.0') await new Promise(() => {});
          },
        };`,
    });
    await install(core, versioned('1.0.0'));
    const isolates = async (): Promise<number> => {
      const { body } = await core.api('GET', '/readyz?verbose');
      const counts = [...JSON.stringify(body).matchAll(/(\d+) isolates/g)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await isolates();
    const installing = install(core, versioned('2.0.0')).catch((error: unknown) => error);
    // The load of the new version is under way: a second isolate of the plugin is there.
    await until(async () => (await isolates()) === before + 1, 'the new version is being loaded');
    expect((await get('versioned/')).body).toBe('1.0.0');
    await core.kill();
    await installing;
    await core.stop();
    core = await start();
    expect((await get('versioned/')).body).toBe('1.0.0');
    expect((await core.api('GET', '/api/plugins/versioned')).body).toMatchObject({ version: '1.0.0', state: 'active' });
  });
});

test('SIGTERM ends it within 10 s, with clients on event streams and a request that hangs', async () => {
  await install(core, 'web-server');
  const family = descendantsOf(core.pid);
  const clients = ['web-server/ticks', 'web-server/logs', 'from-folder/logs'].map(async (path) => {
    const headers = { authorization: `Bearer ${core.token}` };
    const { body } = await fetch(`${core.url}/api/plugins/${path}`, { headers });
    const reader = (body as ReadableStream).getReader();
    await reader.read();
    return reader;
  });
  const readers = await Promise.all(clients);
  const hanging = fetch(`${core.url}/api/plugins/web-server/waits`).catch((error: unknown) => error);
  const started = performance.now();
  expect(await core.stop()).toBe(0);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(alive(family)).toEqual([]);
  await hanging;
  for (const reader of readers) {
    const ended = (async () => {
      while (!(await reader.read()).done);
    })().catch(() => undefined);
    await ended;
  }
  core = await start();
  await expectAllThere();
});
