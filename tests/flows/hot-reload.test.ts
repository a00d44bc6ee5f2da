import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startLoad } from '../kit/load.ts';
import { tempFolder, writePlugin } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// A watched folder (SPEC 2.3, 2.4): what is saved is live, and no request fails because of it.

setDefaultTimeout(60_000);

let dir: Awaited<ReturnType<typeof tempFolder>>;
let core: RunningCore;

beforeAll(async () => {
  dir = await tempFolder();
  core = await startCore({ pluginDirs: [dir.path] });
});
afterAll(async () => {
  await core?.stop();
  await dir?.[Symbol.asyncDispose]();
});

const answer = (text: string, more = '') => `
import { text } from './text.ts';
export default {
  async onLoad({ api, storage }) {
    await storage.increment('loads');
    api.get('/text', () => text + '${text}', { auth: 'public' });
    api.get('/loads', () => storage.get('loads'), { auth: 'public' });
    ${more}
  },
};
`;
const folder = (name: string) => join(dir.path, name);
const create = (name: string, text: string) =>
  writePlugin(folder(name), {
    manifest: { name },
    'text.ts': `export const text = 'text ';`,
    'index.ts': answer(text),
  });
const edit = (name: string, file: string, source: string) => writeFile(join(folder(name), file), source);
const textOf = async (name: string): Promise<unknown> =>
  (await core.api('GET', `/api/plugins/${name}/text`, { token: null })).body;
const says = (name: string, text: string) => until(async () => (await textOf(name)) === text, `${name} says "${text}"`);
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;

test('a folder that appears is a plugin, enabled, with what it asks for', async () => {
  await create('appears', 'one');
  await says('appears', 'text one');
  expect(await shown('appears')).toMatchObject({ source: 'folder', state: 'active', enabled: true, error: null });
});

test('each saved file is live, and a load of requests in the background sees no failure', async () => {
  await create('edited', 'v0');
  await says('edited', 'text v0');
  const load = startLoad(
    `${core.url}/api/plugins/edited/text`,
    ({ status }, text) => status === 200 && /^"\w+ v\d+"$/.test(text),
  );
  for (let round = 1; round <= 8; round += 1) {
    await load.more(30);
    await edit('edited', 'index.ts', answer(`v${round}`));
    await says('edited', `text v${round}`);
  }
  await edit('edited', 'text.ts', `export const text = 'other ';`);
  await says('edited', 'other v8');
  await load.more(30);
  await load.stop();
  expect(load.odd).toEqual([]);
  expect([...load.statuses.keys()]).toEqual([200]);
});

// Each alone: a stream that is under way keeps the old version for the others.
test.each([
  ['of known length', true],
  ['of unknown length', false],
])('a request whose body (%s) is still on its way when the plugin is reloaded is answered', async (_what, length) => {
  const name = length ? 'slow-known' : 'slow-unknown';
  const echo = `api.post('/echo', (request) => request.text(), { auth: 'public' });`;
  await create(name, 'v0');
  for (const round of [1, 2, 3]) {
    await edit(name, 'index.ts', answer(`v${round}`, echo));
    await says(name, `text v${round}`);
    const gate = Promise.withResolvers<void>();
    const upload = slowUpload(`${core.url}/api/plugins/${name}/echo`, length, gate.promise);
    await upload.begun;
    await edit(name, 'index.ts', answer(`v${round} again`, echo));
    await says(name, `text v${round} again`);
    gate.resolve();
    const text = await upload.answer;
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text).toEndWith('"begin and end"');
  }
});

describe('a version that does not load', () => {
  test('leaves the old one serving; the error names file and line, in the API and in the log; the next one heals it', async () => {
    await create('broken', 'good');
    await says('broken', 'text good');

    await edit('broken', 'index.ts', 'export default {\n  onLoad({ api }) {\n    api.get(\n');
    const failed = await until(async () => {
      const { state, error } = await shown('broken');
      return error !== null && { state, error };
    }, 'the failure is shown');
    expect(failed).toMatchObject({ state: 'active', error: { code: 'bundle_failed' } });
    expect(failed.error.message).toMatch(/index\.ts:\d+/);
    expect(await core.logged('broken', 'The change was not taken')).toMatch(/index\.ts:\d+/);
    expect(await textOf('broken')).toBe('text good');

    await edit('broken', 'index.ts', answer('thrown', `\n\n    throw new Error('on line 11');`));
    const thrown = await until(async () => {
      const { error } = await shown('broken');
      return error?.code === 'plugin_load_failed' && error;
    }, 'the other failure is shown');
    expect(thrown.message).toContain('on line 11');
    expect(thrown.stack).toContain('index.ts:10:11');
    expect(await textOf('broken')).toBe('text good');

    await edit('broken', 'index.ts', answer('healed'));
    await says('broken', 'text healed');
    expect((await shown('broken')).error).toBeNull();
  });

  test('through its manifest too', async () => {
    await create('bad-manifest', 'good');
    await says('bad-manifest', 'text good');
    await edit('bad-manifest', 'manifest.json', '{"name":"bad-manifest","version":"1.0.0","versoin":1}');
    const { code } = await until(async () => (await shown('bad-manifest')).error, 'the failure is shown');
    expect(code).toBe('manifest_invalid');
    expect(await textOf('bad-manifest')).toBe('text good');
    await edit('bad-manifest', 'manifest.json', '{"name":"bad-manifest","version":"1.1.0"}');
    await until(async () => (await shown('bad-manifest')).version === '1.1.0', 'the new version');
    expect((await shown('bad-manifest')).error).toBeNull();
  });

  test('and is the first one is taken when it does', async () => {
    await writePlugin(folder('late'), { manifest: { name: 'late' }, 'index.ts': 'export default {' });
    await core.line((line) => line.plugin === 'late' && line.level === 'warn', 'it is said that it does not load');
    expect((await core.api('GET', '/api/plugins/late')).status).toBe(404);
    await create('late', 'at last');
    await says('late', 'text at last');
  });
});

test('a wish that the manifest adds is granted, and shown', async () => {
  await create('wishes', 'one');
  await says('wishes', 'text one');
  await writePlugin(folder('wishes'), {
    manifest: { name: 'wishes', permissions: ['users:read'] },
    'index.ts': answer('two', `streamspace.events.on('user.created', () => {});`),
  });
  await says('wishes', 'text two');
  expect(await shown('wishes')).toMatchObject({ permissions: ['users:read'], grants: ['users:read'] });
});

test('a folder that goes is an uninstall that keeps the data', async () => {
  const loads = async (): Promise<number> => (await core.api('GET', '/api/plugins/goes/loads', { token: null })).body;
  await create('goes', 'here');
  await says('goes', 'text here');
  const before = await loads();
  await rm(folder('goes'), { recursive: true });
  await until(async () => (await core.api('GET', '/api/plugins/goes')).status === 404, 'it is uninstalled');
  expect((await core.api('GET', '/api/plugins/goes/text', { token: null })).status).toBe(404);
  await create('goes', 'again');
  await says('goes', 'text again');
  expect(await loads()).toBeGreaterThan(before);
});

test('a plugin that was disabled stays so when its files change', async () => {
  await create('rests', 'one');
  await says('rests', 'text one');
  await core.api('POST', '/api/plugins/rests/disable');
  await edit('rests', 'index.ts', answer('two'));
  // The watcher works through its folders in turn: when the later change is live, the earlier one was seen.
  await create('rests-after', 'one');
  await says('rests-after', 'text one');
  expect((await core.api('GET', '/api/plugins/rests/text', { token: null })).status).toBe(404);
  await core.api('POST', '/api/plugins/rests/enable');
  await says('rests', 'text two');
});

/** A request whose body comes in two parts: the first at once, the other when the gate opens. */
function slowUpload(url: string, withLength: boolean, gate: Promise<void>) {
  const { hostname, port, pathname } = new URL(url);
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const part = (text: string): string => (withLength ? text : `${text.length.toString(16)}\r\n${text}\r\n`);
  const framing = withLength ? 'Content-Length: 13' : 'Transfer-Encoding: chunked';
  let text = '';
  void Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      async open(socket) {
        const head = `POST ${pathname} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${framing}`;
        socket.write(`${head}\r\n\r\n${part('begin')}`);
        begun.resolve();
        await gate;
        socket.write(part(' and end') + (withLength ? '' : '0\r\n\r\n'));
      },
      data(_socket, data) {
        text += data.toString();
      },
      close: () => answer.resolve(text),
      error: (_socket, error) => answer.reject(error),
    },
  });
  return { begun: begun.promise, answer: answer.promise };
}
