import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install, tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// A version that does not load leaves nothing behind, or the version that was there.

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });

/** Sources whose load fails, with what has to be said of it. */
const BROKEN: [what: string, source: string, detail: RegExp, code: string, limits?: object][] = [
  ['does not parse', 'export default {\n  onLoad( {', /index\.ts:2/, 'bundle_failed'],
  ['imports what is not there', `import x from './gone.ts';\nexport default x;`, /index\.ts:1/, 'bundle_failed'],
  ['throws at the top', `const a = 1;\nthrow new Error('at the top');`, /at the top/, 'plugin_load_failed'],
  [
    'throws in onLoad',
    `export default { onLoad() { throw new Error('in onLoad'); } };`,
    /in onLoad/,
    'plugin_load_failed',
  ],
  [
    'rejects in onLoad',
    `export default { async onLoad() { await 0; throw new Error('late'); } };`,
    /late/,
    'plugin_load_failed',
  ],
  ['exports no object', 'export default 5;', /has to export/, 'plugin_load_failed'],
  [
    'loops in onLoad',
    'export default { onLoad() { for (;;); } };',
    /deadline|CPU/i,
    'plugin_load_failed',
    { cpuMsPerCall: 200 },
  ],
  [
    'fills its memory',
    'export default { onLoad() { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); } };',
    /memory/,
    'plugin_load_failed',
    // On a busy machine filling it takes longer than it computes.
    { memoryMb: 16, cpuMsPerCall: 10_000 },
  ],
  [
    'registers what the gate refuses',
    `export default { onLoad({ events }) { events.on('user.created', () => {}); } };`,
    /events:subscribe:user\.created/,
    'plugin_load_failed',
  ],
  [
    'registers twice',
    `export default { onLoad({ api }) { api.get('/a/:x', () => 1); api.get('/a/:y', () => 2); } };`,
    /registered already/,
    'plugin_load_failed',
  ],
  [
    'has a schema that is none',
    `export default { onLoad({ api }) { api.post('/', () => 1, { validation: { body: { type: 'nothing' } } }); } };`,
    /JSON Schema/,
    'plugin_load_failed',
  ],
];

describe('a first install', () => {
  test.each(BROKEN)('that %s', async (_what, source, detail, code, limits = {}) => {
    const failed = await tryInstall(core, { manifest: { name: 'fails', limits }, 'index.ts': source });
    expect(failed).toMatchObject({ status: 422, body: { code } });
    expect(JSON.stringify(failed.body)).toMatch(detail);
    expect(JSON.stringify(failed.body)).not.toMatch(/streamspace:prelude|\/work\/|isolated-vm/);
    expect((await core.api('GET', '/api/plugins/fails')).status).toBe(404);
    expect((await get('fails/x')).status).toBe(404);
  });

  test('leaves nothing: no route, event, job or row, and the name is free', async () => {
    const source = (fail: boolean) => `
      export default {
        async onLoad({ api, events, scheduler, storage, plugins }) {
          api.get('/left', () => 'left', { auth: 'public' });
          events.on('plugin.fails.*', () => {});
          scheduler.every('1h', () => {});
          plugins.expose({ left: () => 1 });
          const count = await storage.increment('loads');
          if (${fail}) throw new Error('after all that');
          api.get('/count', () => count, { auth: 'public' });
        },
      };`;
    expect((await tryInstall(core, { manifest: { name: 'fails' }, 'index.ts': source(true) })).status).toBe(422);
    expect((await get('fails/left')).status).toBe(404);
    const names = (await core.api('GET', '/api/plugins')).body.plugins.map(({ name }: { name: string }) => name);
    expect(names).not.toContain('fails');
    await install(core, { manifest: { name: 'fails' }, 'index.ts': source(false) });
    expect((await get('fails/count')).body).toBe(1);
    await core.api('DELETE', '/api/plugins/fails');
  });
});

describe('an upgrade', () => {
  const good = `export default { onLoad({ api }) { api.get('/', () => 'the old one', { auth: 'public' }); } };`;

  test.each(BROKEN)('that %s leaves the old version serving', async (_what, source, detail, code, limits = {}) => {
    const name = 'stays';
    if ((await core.api('GET', `/api/plugins/${name}`)).status === 404) {
      await install(core, { manifest: { name }, 'index.ts': good });
    }
    const failed = await tryInstall(core, { manifest: { name, version: '2.0.0', limits }, 'index.ts': source });
    expect(failed).toMatchObject({ status: 422, body: { code } });
    expect(JSON.stringify(failed.body)).toMatch(detail);
    expect((await get(`${name}/`)).body).toBe('the old one');
    expect((await core.api('GET', `/api/plugins/${name}`)).body).toMatchObject({ version: '1.0.0', state: 'active' });
  });
});

test.each([
  ['loops at its top', 'for (;;);'],
  ['never ends its onLoad', 'export default { onLoad: () => new Promise(() => {}) };'],
  ['keeps its onLoad busy in small steps', 'export default { async onLoad() { for (;;) await null; } };'],
])('a plugin that %s has until its deadline, and is not enabled', async (_what, source) => {
  await install(core, { manifest: { name: 'slow' }, 'index.ts': source }, { enable: false });
  await core.api('PATCH', '/api/plugins/slow', { body: { limits: { loadMs: 250, cpuMsPerCall: 100 } } });
  expect(await core.api('POST', '/api/plugins/slow/enable')).toMatchObject({
    status: 422,
    body: { code: 'plugin_load_failed', detail: expect.stringMatching(/deadline|timed out|CPU/) },
  });
  expect((await core.api('GET', '/api/plugins/slow')).body).toMatchObject({ state: 'installed', enabled: false });
  await core.api('DELETE', '/api/plugins/slow');
});

test('a plugin that dies right after its load is not installed, or lives and is replaced', async () => {
  const source = 'export default { onLoad() { setTimeout(() => { for (;;); }, 0); } };';
  const answer = await tryInstall(core, {
    manifest: { name: 'short-lived', limits: { cpuMsPerCall: 20 } },
    'index.ts': source,
  });
  const after = await core.api('GET', '/api/plugins/short-lived');
  if (answer.status === 201) expect(after.status).toBe(200);
  else expect([answer.status, after.status]).toEqual([422, 404]);
  await core.api('DELETE', '/api/plugins/short-lived');
});

test('data that an uninstall kept outlives an install that fails', async () => {
  const source = (fail: boolean) => `
    export default {
      async onLoad({ api, storage }) {
        const loads = await storage.increment('loads');
        if (${fail}) throw new Error('not this time');
        api.get('/loads', () => loads, { auth: 'public' });
      },
    };`;
  await install(core, { manifest: { name: 'keeper' }, 'index.ts': source(false) });
  await core.api('DELETE', '/api/plugins/keeper?data=keep');
  expect((await tryInstall(core, { manifest: { name: 'keeper' }, 'index.ts': source(true) })).status).toBe(422);
  await install(core, { manifest: { name: 'keeper' }, 'index.ts': source(false) });
  expect((await get('keeper/loads')).body).toBe(3);
});

test("the position of a failure is the plugin's own, also through its other files", async () => {
  const failed = await tryInstall(core, {
    manifest: { name: 'fails' },
    'index.ts': `import { deep } from './lib/deep.ts';\nexport default { onLoad: () => deep({}) };`,
    'lib/deep.ts': `interface Thing { name?: { first: string } }

export function deep(thing: Thing): string {
  return thing.name!.first;
}
`,
  });
  expect(failed.body.stack).toMatch(/at deep \(lib\/deep\.ts:4:\d+\)\n[\s\S]*\n {4}at .*index\.ts:2:\d+/);
});
