import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { install, tempFolder, writePlugin } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// What hibernated when the core stopped still does after the next start, unless anything of it has changed meanwhile.

setDefaultTimeout(60_000);

let data: Awaited<ReturnType<typeof tempFolder>>;
let folders: Awaited<ReturnType<typeof tempFolder>>;
let core: RunningCore;

const start = () =>
  startCore({
    dataDir: data.path,
    database: 'embedded',
    pluginDirs: [folders.path],
    env: { HIBERNATE_AFTER_MS: '250' },
  });
const source = (name: string, route: string) => ({
  manifest: { name, routePrefix: `${name}-alias` },
  'index.ts': `
    export default {
      async onLoad({ api, scheduler, storage }) {
        await storage.increment('loads', 1);
        api.get('/${route}', () => storage.get('loads'), { auth: 'public' });
        scheduler.schedule('0 0 1 1 *', () => {}, { name: 'yearly' });
      },
    };`,
});
const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;
/** Names of the plugins that this core loaded before it was ready. */
const loadedAtStart = (): string[] => {
  const ready = core.lines.findIndex((line) => line.event === 'ready');
  return core.lines.slice(0, ready).flatMap(({ msg, plugin }) => (msg === 'loaded a plugin' ? [String(plugin)] : []));
};
const asleep = (name: string) =>
  until(async () => (await shown(name)).state === 'hibernated', `${name} hibernates`, 15_000);

beforeAll(async () => {
  data = await tempFolder();
  folders = await tempFolder();
  await writePlugin(`${folders.path}/from-folder`, source('from-folder', 'loads'));
  await writePlugin(`${folders.path}/edited`, source('edited', 'before'));
  core = await start();
  await install(core, source('uploaded', 'loads'));
});
afterAll(async () => {
  await core?.stop();
  await data?.[Symbol.asyncDispose]();
  await folders?.[Symbol.asyncDispose]();
});

test('a stop and a start: shown as before, not loaded, and woken by a request', async () => {
  for (const name of ['uploaded', 'from-folder', 'edited']) await asleep(name);
  const before = await shown('uploaded');
  await core.stop();
  await writePlugin(`${folders.path}/edited`, source('edited', 'after'));
  core = await start();

  expect(await shown('uploaded')).toEqual(before);
  expect((await shown('from-folder')).state).toBe('hibernated');
  for (const name of ['uploaded', 'from-folder']) {
    expect((await get(`${name}-alias/loads`)).body).toBe(2);
    expect((await get(`${name}/loads`)).body).toBe(2);
  }
  // Its folder was changed while the core was stopped: nothing stale is shown.
  expect((await shown('edited')).endpoints).toMatchObject([{ path: '/api/plugins/edited/after' }]);
  expect((await get('edited/after')).status).toBe(200);
  expect(loadedAtStart()).toEqual(['edited']);
  expect((await get('edited/before')).status).toBe(404);
});

test('a core that is killed: what hibernated is loaded', async () => {
  for (const name of ['uploaded', 'from-folder']) await asleep(name);
  await core.kill();
  await core.stop();
  core = await start();
  expect(loadedAtStart().sort()).toEqual(['edited', 'from-folder', 'uploaded']);
  expect((await get('uploaded/loads')).status).toBe(200);
});

test('a change after the start, and another stop: nothing of the first stop counts', async () => {
  await asleep('uploaded');
  await core.stop();
  core = await start();
  await install(core, source('uploaded', 'other'));
  await core.kill();
  await core.stop();
  core = await start();
  expect((await shown('uploaded')).endpoints).toMatchObject([{ path: '/api/plugins/uploaded/other' }]);
  expect((await get('uploaded/loads')).status).toBe(404);
});
