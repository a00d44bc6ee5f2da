import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { startLoad } from '../kit/load.ts';
import { install, tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until, within } from '../kit/until.ts';

// Changes to plugins that cross each other, and what they do to those who are talking to the plugin meanwhile.

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const source = (name: string, version = '1.0.0', more = '') => ({
  manifest: { name, version },
  'index.ts': `
    export default {
      onLoad({ api, storage }) {
        api.get('/version', () => '${version}', { auth: 'public' });
        ${more}
      },
    };`,
});
const post = (path: string) => core.api('POST', `/api/plugins/${path}`);
const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;

describe('changes that come at the same time are made one after the other', () => {
  test('installs of one name: one is first, the others are upgrades or refused as older', async () => {
    const versions = ['1.0.0', '1.1.0', '1.2.0', '1.3.0'];
    const answers = await Promise.all(versions.map((version) => tryInstall(core, source('contended', version))));
    for (const { status } of answers) expect([201, 409]).toContain(status);
    const ids = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => body.id));
    expect(ids.size).toBe(1);
    expect(await shown('contended')).toMatchObject({ state: 'active', version: '1.3.0' });
    expect((await get('contended/version')).body).toBe('1.3.0');
  });

  test('installs of one name, of which the first fails', async () => {
    const failing = source('second-wins', '1.0.0', `throw new Error('not this one');`);
    const answers = await Promise.all([tryInstall(core, failing), tryInstall(core, source('second-wins', '1.0.0'))]);
    const installed = answers.some(({ status }) => status === 201);
    expect((await core.api('GET', '/api/plugins/second-wins')).status).toBe(installed ? 200 : 404);
    if (installed) expect((await get('second-wins/version')).body).toBe('1.0.0');
    // Whatever became of them, the name can be used.
    await install(core, source('second-wins', '1.0.1'));
    expect((await get('second-wins/version')).body).toBe('1.0.1');
  });

  test('everything at once, and it is in the state that the last one asked for', async () => {
    await install(core, source('busy'));
    const changes = [
      'disable',
      'enable',
      'reload',
      'disable',
      'reload',
      'enable',
      'reload',
      'enable',
      'disable',
      'enable',
    ];
    const answers = await Promise.all(changes.map((change) => post(`busy/${change}`)));
    for (const { status } of answers) expect([200, 404]).toContain(status);
    // They came over several connections, so that nobody knows which was the last.
    await post('busy/enable');
    expect(await shown('busy')).toMatchObject({ state: 'active', enabled: true });
    expect((await get('busy/version')).body).toBe('1.0.0');
  });

  test('an uninstall while others are under way: gone is gone', async () => {
    await install(core, source('going'));
    await Promise.all([
      post('going/reload'),
      post('going/disable'),
      core.api('DELETE', '/api/plugins/going'),
      post('going/enable'),
      post('going/reload'),
    ]);
    await until(async () => (await core.api('GET', '/api/plugins/going')).status === 404, 'it is gone');
    expect((await get('going/version')).status).toBe(404);
    await install(core, source('going', '2.0.0'));
    expect((await get('going/version')).body).toBe('2.0.0');
  });
});

describe('requests meanwhile', () => {
  test('reloads and upgrades fail none', async () => {
    await install(core, source('steady'));
    const load = startLoad(`${core.url}/api/plugins/steady/version`, ({ status }) => status === 200);
    for (let round = 1; round <= 5; round += 1) {
      await load.more(20);
      expect((await post('steady/reload')).status).toBe(200);
      await load.more(20);
      await install(core, source('steady', `1.${round}.0`));
    }
    await load.more(20);
    await load.stop();
    expect(load.odd).toEqual([]);
    expect((await get('steady/version')).body).toBe('1.5.0');
  });

  test('a disable answers 404, an enable 200, and nothing between them another', async () => {
    await install(core, source('switched'));
    const load = startLoad(`${core.url}/api/plugins/switched/version`, ({ status }) =>
      [200, 404, 503].includes(status),
    );
    for (let round = 0; round < 5; round += 1) {
      await load.more(20);
      await post('switched/disable');
      expect((await get('switched/version')).status).toBe(404);
      await load.more(20);
      await post('switched/enable');
      expect((await get('switched/version')).status).toBe(200);
    }
    await load.stop();
    expect(load.odd).toEqual([]);
    expect(load.statuses.get(200)).toBeGreaterThan(0);
    expect(load.statuses.get(404)).toBeGreaterThan(0);
  });

  test('one that runs when its version is replaced is finished by it', async () => {
    const slow = `api.get('/slow', async () => { await storage.set('begun', '1'); await new Promise((done) => setTimeout(done, 300)); return 'by the old one'; }, { auth: 'public' });
      api.get('/begun', () => storage.get('begun'), { auth: 'public' });`;
    await install(core, source('slow', '1.0.0', slow));
    const running = get('slow/slow');
    await until(async () => (await get('slow/begun')).body === '1', 'it has begun');
    await install(core, source('slow', '2.0.0'));
    expect((await get('slow/version')).body).toBe('2.0.0');
    expect(await running).toMatchObject({ status: 200, body: 'by the old one' });
  });
});

describe('streams that are open (ADVERSARY 82)', () => {
  async function openStream(path: string): Promise<{ ended: Promise<boolean> }> {
    const headers = { authorization: `Bearer ${core.token}` };
    const { body } = await fetch(`${core.url}/api/plugins/${path}`, { headers });
    const reader = (body as ReadableStream).getReader();
    await reader.read();
    const rest = async (): Promise<boolean> => {
      while (!(await reader.read()).done);
      return true;
    };
    return { ended: rest().catch(() => true) };
  }

  test.each([
    ['disabled', (name: string) => post(`${name}/disable`)],
    ['uninstalled', (name: string) => core.api('DELETE', `/api/plugins/${name}`)],
  ] as const)('end when the plugin is %s', async (what, change) => {
    const name = `streams-${what}`;
    await install(
      core,
      source(
        name,
        '1.0.0',
        `api.get('/events', () => new Response(new ReadableStream({
          start(controller) { setInterval(() => controller.enqueue(new TextEncoder().encode('data: 1\\n\\n')), 10); },
        })), { auth: 'public' });`.replaceAll('/events', '/ticks'),
      ),
    );
    const ticks = await openStream(`${name}/ticks`);
    await change(name);
    expect(await within(ticks.ended, 'the stream ends')).toBe(true);
  });

  test('the log of a plugin ends with it', async () => {
    await install(core, source('logged'));
    const log = await openStream('logged/logs');
    await core.api('DELETE', '/api/plugins/logged');
    expect(await within(log.ended, 'the log ends')).toBe(true);
  });
});

test('an alias is of the first who has it, and free again when that one goes', async () => {
  const alias = (name: string) => {
    const { manifest, ...files } = source(name);
    return {
      ...files,
      'index.ts': files['index.ts'].replace("'1.0.0'", `'${name}'`),
      manifest: { ...manifest, routePrefix: 'short' },
    };
  };
  await install(core, alias('alias-one'));
  expect((await get('short/version')).body).toBe('alias-one');
  expect(await tryInstall(core, alias('alias-two'))).toMatchObject({ status: 409, body: { code: 'conflict' } });
  expect((await get('short/version')).body).toBe('alias-one');
  await core.api('DELETE', '/api/plugins/alias-one');
  await install(core, alias('alias-two'));
  expect((await get('short/version')).body).toBe('alias-two');
});

test("limits: the manifest's wish, the admin's word, and the ceiling", async () => {
  const { manifest, ...files } = source('limited');
  await install(core, { ...files, manifest: { ...manifest, limits: { memoryMb: 32, cpuMsPerCall: 60_000 } } });
  expect((await shown('limited')).limits).toMatchObject({ memoryMb: 32, cpuMsPerCall: 10_000, wallMsPerCall: 30_000 });
  const change = { limits: { memoryMb: 100_000, wallMsPerCall: 500 } };
  expect((await core.api('PATCH', '/api/plugins/limited', { body: change })).body.limits).toMatchObject({
    memoryMb: 512,
    wallMsPerCall: 500,
  });
  await post('limited/reload');
  expect((await shown('limited')).limits.wallMsPerCall).toBe(500);
  for (const limits of [{ memoryMb: 0 }, { memoryMb: 'all' }, { memory: 5 }]) {
    expect((await core.api('PATCH', '/api/plugins/limited', { body: { limits } })).status).toBe(422);
  }
});

test('what is registered while it runs is live, and goes with it', async () => {
  await install(
    core,
    source(
      'late',
      '1.0.0',
      `api.post('/more', () => {
        api.get('/added', () => 'added', { auth: 'public' });
        streamspace.events.on('plugin.late.*', () => storage.increment('heard'));
        streamspace.scheduler.every('1h', () => {}, { name: 'added' });
      }, { auth: 'public' });
      api.post('/say', () => streamspace.events.emit('said'), { auth: 'public' });
      api.get('/heard', () => storage.get('heard'), { auth: 'public' });`,
    ),
  );
  expect((await get('late/added')).status).toBe(404);
  await core.api('POST', '/api/plugins/late/more', { token: null });
  await until(async () => (await get('late/added')).body === 'added', 'the endpoint is there');
  await until(async () => (await shown('late')).jobs.length === 1, 'the job is there');
  await until(async () => {
    await core.api('POST', '/api/plugins/late/say', { token: null });
    return (await get('late/heard')).body;
  }, 'the subscription is there');
  await post('late/reload');
  expect((await get('late/added')).status).toBe(404);
  expect(await shown('late')).toMatchObject({ jobs: [], events: [] });
});
