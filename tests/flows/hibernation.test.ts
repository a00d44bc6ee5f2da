import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install, type PluginSource } from '../kit/plugin.ts';
import { isolateHostOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until, within } from '../kit/until.ts';

// SPEC 2.1 `hibernated`: an idle isolate is let go, and is back with the next invocation as if it had not been away.

setDefaultTimeout(60_000);

/** Milliseconds: as short as the news of isolates come. */
const AFTER_MS = 250;
let core: RunningCore;

beforeAll(async () => {
  core = await startCore({ env: { HIBERNATE_AFTER_MS: String(AFTER_MS) } });
});
afterAll(async () => {
  await core?.stop();
});

/** A plugin that counts its loads in its storage; `more` is code of its `onLoad`, `members` of its definition. */
const plugin = (name: string, more = '', members = '', manifest: object = {}): PluginSource => ({
  manifest: { name, ...manifest },
  'index.ts': `
    export default {
      async onLoad({ api, events, scheduler, plugins, storage, config }) {
        await storage.increment('loads', 1);
        let calls = 0;
        api.get('/loads', () => storage.get('loads'), { auth: 'public', summary: 'How often it was loaded' });
        api.get('/calls', () => (calls += 1), { auth: 'public' });
        api.get('/kept/:key', (_request, { params }) => storage.get(params.key), { auth: 'public' });
        ${more}
      },
      ${members}
    };`,
});
const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;
const asleep = (name: string) =>
  until(async () => (await shown(name)).state === 'hibernated', `${name} hibernates`, 15_000);
const metric = async (name: string, label: string): Promise<number> => {
  const text = (await core.api('GET', '/metrics')).body as string;
  return Number(new RegExp(`^${name}\\{plugin="${label}"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
};

describe('a plugin that hibernates', () => {
  test('looks alive: endpoints, events, jobs, methods, OpenAPI', async () => {
    const source = plugin(
      'looks-alive',
      `events.on('plugin.looks-alive.*', () => {});
       scheduler.schedule('0 0 1 1 *', () => {}, { name: 'yearly' });
       plugins.expose({ hello: () => 'hello' });`,
    );
    await install(core, source);
    const { state: _active, host: _its, ...before } = await shown('looks-alive');
    await asleep('looks-alive');
    const { state, host: _none, ...after } = await shown('looks-alive');
    expect({ state, ...after }).toEqual({ state: 'hibernated', ...before });
    expect(after.endpoints).toHaveLength(3);
    expect(after).toMatchObject({ events: ['plugin.looks-alive.*'], jobs: [{ name: 'yearly' }], methods: ['hello'] });
    const { body } = await core.api('GET', '/api/openapi.json');
    expect(body.paths['/api/plugins/looks-alive/loads'].get.summary).toBe('How often it was loaded');
    expect((await shown('looks-alive')).state).toBe('hibernated');
  });

  test('holds no heap', async () => {
    await install(core, plugin('light'));
    await get('light/calls');
    const heap = async () => (await core.api('GET', '/api/plugins/light/metrics')).body.heapBytes as number;
    await until(async () => (await heap()) > 0 || (await shown('light')).state === 'hibernated', 'the heap is known');
    await asleep('light');
    await until(async () => (await heap()) === 0, 'the heap is gone');
  });

  test('is woken by a request, with its storage and without its globals, and falls asleep again', async () => {
    await install(core, plugin('by-request'));
    expect((await get('by-request/calls')).body).toBe(1);
    for (const loads of [2, 3]) {
      await asleep('by-request');
      expect(await get('by-request/loads')).toMatchObject({ status: 200, body: loads });
      expect((await get('by-request/calls')).body).toBe(1);
      expect((await get('by-request/calls')).body).toBe(2);
    }
    expect(await metric('streamspace_plugin_wakes_total', 'by-request')).toBe(2);
    expect(await metric('streamspace_plugin_hibernations_total', 'by-request')).toBeGreaterThanOrEqual(2);
    expect((await core.api('GET', '/api/plugins/by-request/metrics')).body.restarts).toBe(0);
  });

  test('is loaded once for 50 requests at a time', async () => {
    await install(core, plugin('by-many'));
    await asleep('by-many');
    const answers = await Promise.all(Array.from({ length: 50 }, () => get('by-many/calls')));
    expect(answers.map(({ body }) => body as number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    expect((await get('by-many/loads')).body).toBe(2);
  });

  test('is not woken by who asks for what it does not have, or may not have', async () => {
    await install(core, plugin('undisturbed', `api.get('/private', () => 1); api.post('/loads', () => 1);`));
    await asleep('undisturbed');
    expect((await get('undisturbed/nothing')).status).toBe(404);
    expect((await core.api('DELETE', '/api/plugins/undisturbed/loads', { token: null })).status).toBe(405);
    expect((await get('undisturbed/private')).status).toBe(401);
    expect((await shown('undisturbed')).state).toBe('hibernated');
    expect((await core.api('GET', '/api/plugins/undisturbed/private')).status).toBe(200);
  });

  test('is woken by an event, which it gets once', async () => {
    const source = plugin('by-event', `events.on('custom.ring', () => storage.increment('rings', 1));`, '', {
      permissions: ['events:subscribe:custom.*'],
    });
    await install(core, source);
    await asleep('by-event');
    await core.api('POST', '/api/events', { body: { name: 'custom.ring', data: {} } });
    await until(async () => (await get('by-event/kept/rings')).body === 1, 'the event is taken');
    const { body } = await core.api('GET', '/api/plugins/by-event/deliveries');
    expect(body.items).toMatchObject([{ state: 'done', attempts: 1 }]);
  });

  test('is woken by a job, whose handler is the one of that load', async () => {
    // Handlers are numbered as they come: in every other load the job's number is that of another.
    const source = plugin(
      'by-job',
      `const first = (await storage.get('loads')) % 2 === 0;
       if (first) api.get('/first', () => 'not the job', { auth: 'public' });
       scheduler.every('2s', () => storage.increment('runs', 1), { name: 'beat' });
       if (!first) api.get('/last', () => 'not the job', { auth: 'public' });`,
    );
    await install(core, source);
    await until(async () => (await metric('streamspace_plugin_wakes_total', 'by-job')) >= 2, 'two wakes by the job');
    await until(async () => (await get('by-job/kept/runs')).body >= 2, 'two runs');
    expect((await shown('by-job')).jobs).toMatchObject([{ name: 'beat', lastError: null }]);
  });

  test('is woken by a call of another plugin, which saw that it is there', async () => {
    await install(core, plugin('callee', `plugins.expose({ add: (a, b) => a + b });`));
    const caller = `api.get('/sum', async () => ({
        enabled: await plugins.isEnabled('callee'), sum: await plugins.call('callee', 'add', 1, 2) }), { auth: 'public' });`;
    await install(core, plugin('caller', caller, '', { permissions: ['plugins:call:callee'] }));
    await asleep('callee');
    expect((await get('caller/sum')).body).toEqual({ enabled: true, sum: 3 });
    expect((await get('callee/loads')).body).toBe(2);
  });

  test('runs onUnload before it goes', async () => {
    await install(core, plugin('tidy', '', `async onUnload({ storage }) { await storage.increment('unloads', 1); }`));
    await asleep('tidy');
    await until(async () => (await get('tidy/kept/unloads')).body >= 1, 'onUnload has run');
  });
});

describe('a plugin does not hibernate', () => {
  test('while a timer of it waits', async () => {
    await install(
      core,
      plugin(
        'waiting',
        `api.get('/start', () => { setTimeout(() => storage.set('rang', calls), 2000); calls = 7; return 1; }, { auth: 'public' });`,
      ),
    );
    await get('waiting/start');
    await asleep('waiting');
    expect((await get('waiting/kept/rang')).body).toBe(7);
  });

  test('while a stream of it is open', async () => {
    await install(
      core,
      plugin(
        'streaming',
        `api.get('/stream', () => new Response(new ReadableStream({
            start(controller) { controller.enqueue(new TextEncoder().encode('data: 1\\n\\n')); },
            cancel() { return storage.set('cancelled', true); },
          }), { headers: { 'content-type': 'text/event-stream' } }), { auth: 'public' });`,
      ),
    );
    await install(core, plugin('neighbour'));
    const abort = new AbortController();
    const { body } = await fetch(`${core.url}/api/plugins/streaming/stream`, { signal: abort.signal });
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    // Several times over: what was used later is asleep, woken, and asleep again.
    for (let round = 0; round < 2; round += 1) {
      await get('neighbour/calls');
      await asleep('neighbour');
    }
    expect((await shown('streaming')).state).toBe('active');
    abort.abort();
    await asleep('streaming');
    expect((await get('streaming/kept/cancelled')).body).toBe(true);
  });

  test('when it registered something after its load, which another load would not bring back', async () => {
    await install(
      core,
      plugin('pinned', `api.post('/more', () => { api.get('/extra', () => 'here', { auth: 'public' }); return 1; });`),
    );
    await install(core, plugin('witness'));
    await core.api('POST', '/api/plugins/pinned/more');
    await until(async () => (await get('pinned/extra')).status === 200, 'the new endpoint');
    for (let round = 0; round < 2; round += 1) {
      await get('witness/calls');
      await asleep('witness');
    }
    expect((await shown('pinned')).state).toBe('active');
    expect((await get('pinned/extra')).body).toBe('here');
  });
});

describe('a change of a plugin that hibernates', () => {
  const configurable = (version = '1.0.0') =>
    plugin(
      'configured',
      `api.get('/config', () => config, { auth: 'public' }); api.get('/version', () => '${version}', { auth: 'public' });`,
      `async onConfigChange(config, { storage }) { await storage.set('heard', config.word); },
       async onUpgrade(from, { storage }) { await storage.set('from', from); },`,
      {
        version,
        configSchema: { type: 'object', properties: { word: { type: 'string' } } },
        defaultConfig: { word: 'a' },
      },
    );

  test('of its configuration wakes it, and is told to it', async () => {
    await install(core, configurable());
    await asleep('configured');
    const path = '/api/plugins/configured';
    expect((await core.api('PATCH', path, { body: { config: { word: 'b' } } })).body).toMatchObject({
      state: 'active',
    });
    expect((await get('configured/kept/heard')).body).toBe('b');
    await asleep('configured');
    expect((await core.api('PATCH', path, { body: { config: { word: 1 } } })).status).toBe(422);
    expect((await get('configured/config')).body).toEqual({ word: 'b' });
  });

  test('to another version', async () => {
    await asleep('configured');
    await install(core, configurable('1.1.0'));
    expect((await get('configured/version')).body).toBe('1.1.0');
    expect((await get('configured/kept/from')).body).toBe('1.0.0');
    await asleep('configured');
    expect((await get('configured/version')).body).toBe('1.1.0');
  });

  test('that disables it takes all away at once, and lets it tidy up', async () => {
    const source = plugin(
      'switched',
      `scheduler.schedule('0 0 1 1 *', () => {}, { name: 'yearly' });`,
      `async onDisable({ storage }) { await storage.set('disabled', true); },`,
    );
    await install(core, source);
    await asleep('switched');
    const { body } = await core.api('POST', '/api/plugins/switched/disable');
    expect(body).toMatchObject({ state: 'installed', endpoints: [], jobs: [] });
    expect((await get('switched/calls')).status).toBe(404);
    await core.api('POST', '/api/plugins/switched/enable');
    expect((await get('switched/kept/disabled')).body).toBe(true);
  });

  test('that uninstalls it', async () => {
    await install(core, plugin('leaving'));
    await asleep('leaving');
    expect((await core.api('DELETE', '/api/plugins/leaving')).status).toBe(204);
    expect((await get('leaving/calls')).status).toBe(404);
    expect(await metric('streamspace_plugin_hibernations_total', 'leaving')).toBe(0);
    await install(core, plugin('leaving'));
    expect((await get('leaving/loads')).body).toBe(1);
  });

  test('that reloads it', async () => {
    await install(core, plugin('reloaded'));
    await asleep('reloaded');
    expect((await core.api('POST', '/api/plugins/reloaded/reload')).body).toMatchObject({ state: 'active' });
    expect((await get('reloaded/loads')).body).toBe(2);
  });
});

test('one that does not wake is failed, says why, and answers 503', async () => {
  const broken = `if ((await storage.get('loads')) === 2) throw new Error('cannot get up');`;
  await install(core, plugin('sleepyhead', broken));
  await asleep('sleepyhead');
  const answers = await Promise.all([get('sleepyhead/calls'), get('sleepyhead/calls')]);
  for (const { status, headers } of answers) {
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('30');
  }
  expect(await shown('sleepyhead')).toMatchObject({ state: 'failed', error: { code: 'plugin_load_failed' } });
  expect((await shown('sleepyhead')).error.message).toContain('cannot get up');
  expect((await core.api('POST', '/api/plugins/sleepyhead/reload')).body).toMatchObject({ state: 'active' });
  expect((await get('sleepyhead/loads')).body).toBe(3);
});

test('the death of the host while plugins hibernate loses nothing', async () => {
  await install(core, plugin('survivor'));
  await asleep('survivor');
  const host = isolateHostOf(core.pid);
  if (host !== null) process.kill(host, 'SIGKILL');
  const answer = await until(async () => {
    const got = await get('survivor/loads');
    return got.status === 200 && got;
  }, 'it answers');
  expect(answer.body).toBe(2);
  expect(await shown('survivor')).toMatchObject({ state: 'active', error: null });
});

test('beyond MAX_ISOLATES the least recently used go at once, and all answer', async () => {
  const names = ['one', 'two', 'three', 'four', 'five', 'six'].map((name) => `crowd-${name}`);
  await using crowded = await startCore({ env: { HIBERNATE_AFTER_MS: '0', MAX_ISOLATES: '2' } });
  for (const name of names) await install(crowded, plugin(name));
  const states = async () => {
    const { body } = await crowded.api('GET', '/api/plugins?enabled=true');
    return (body.plugins as { name: string; state: string }[]).map(({ state }) => state);
  };
  const isWithin = async () => (await states()).filter((state) => state === 'active').length <= 2;
  await until(isWithin, 'two are active');
  for (const name of names) {
    const path = `/api/plugins/${name}/calls`;
    expect((await crowded.api('GET', path, { token: null })).body).toBe(1);
  }
  await until(isWithin, 'two are active again');
  // All at once: they wake in turn, and each is let go for the next. On a slow machine the last ones may be told to wait.
  await Promise.all(
    names.map((name) =>
      until(async () => {
        const { status, headers } = await crowded.api('GET', `/api/plugins/${name}/loads`, { token: null });
        expect(status === 200 || (status === 503 && headers.get('retry-after') === '1')).toBe(true);
        return status === 200;
      }, `${name} answers`),
    ),
  );
  await until(isWithin, 'two are active after that');
  expect((await states()).every((state) => state === 'active' || state === 'hibernated')).toBe(true);
  await within(crowded.stop(), 'it stops', 12_000);
});
