import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startLoad } from '../kit/load.ts';
import { install, tempFolder, writePlugin } from '../kit/plugin.ts';
import { type Replicas, startReplicas } from '../kit/replicas.ts';
import type { RunningCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Three cores on one Postgres: what is done to one is so on all, within a second.

setDefaultTimeout(120_000);

/** Milliseconds in which a change has to be live everywhere: a second, and what a busy machine adds. */
const LIVE_MS = 5_000;

let replicas: Replicas;
let folders: Awaited<ReturnType<typeof tempFolder>>;
let one: RunningCore;
let two: RunningCore;
let three: RunningCore;

beforeAll(async () => {
  folders = await tempFolder();
  replicas = await startReplicas([folders.path]);
  [one, two, three] = replicas.cores;
});
afterAll(async () => {
  await replicas?.[Symbol.asyncDispose]();
  await folders?.[Symbol.asyncDispose]();
});

const others = () => [two, three];

/** Waits until it is so on all of them, and says after how long. */
async function live(what: string, check: (core: RunningCore) => Promise<boolean>, cores = others()): Promise<number> {
  const begun = performance.now();
  await Promise.all(cores.map((core) => until(() => check(core), what, LIVE_MS)));
  const ms = Math.round(performance.now() - begun);
  console.info(`${what}: ${ms} ms`);
  return ms;
}

const says = (text: string) => async (core: RunningCore) => {
  const { body, status } = await core.api('GET', '/api/plugins/greeter/hello', { token: null });
  return status === 200 && body.says === text;
};
const answers = (status: number) => async (core: RunningCore) =>
  (await core.api('GET', '/api/plugins/greeter/hello', { token: null })).status === status;
const greeter = (version: string) => ({
  manifest: {
    name: 'greeter',
    version,
    configSchema: {
      type: 'object',
      properties: { greeting: { type: 'string', default: 'hi' }, key: { type: 'string', sensitive: true } },
    },
  },
  'index.ts': `
    let loads = 0, configured = 0;
    export default {
      onLoad({ api, config, secrets }) {
        api.get('/hello', async () => ({ says: '${version} ' + config.greeting, key: await secrets.get('key'), configured }), { auth: 'public' });
        api.get('/die', () => { for (const all = []; ;) all.push(new Array(1e5).fill(all)); }, { auth: 'public' });
      },
      onConfigChange() { configured += 1; },
    };`,
});

test('they know of each other', async () => {
  const { body, status } = await two.api('GET', '/api/replicas');
  expect(status).toBe(200);
  expect(body.replicas).toHaveLength(3);
  expect(body.replicas.map((replica: { address: string }) => replica.address).sort()).toEqual(['one', 'three', 'two']);
  expect(body.replicas.filter((replica: { self: boolean }) => replica.self)).toEqual([
    expect.objectContaining({ address: 'two', alive: true, behind: {} }),
  ]);
  expect(new Set(body.replicas.map((replica: { filesFolder: string }) => replica.filesFolder)).size).toBe(1);
  const log = await three.api('GET', '/api/plugins/streamspace-slack/logs?follow=false');
  expect(log.headers.get('streamspace-replica')).toBe(
    body.replicas.find((replica: { address: string }) => replica.address === 'three').id,
  );
  const ready = await three.api('GET', '/readyz?verbose');
  expect(JSON.stringify(ready.body)).toContain('one of 3');
});

describe('a plugin', () => {
  test('is installed, configured, reloaded, disabled and enabled on all', async () => {
    await install(one, greeter('1.0.0'), { config: { greeting: 'hello', key: 'first secret' } });
    await live('install', says('1.0.0 hello'));
    // Who made the change has not made it twice.
    for (const { lines } of replicas.cores) {
      expect(lines.filter(({ msg, plugin }) => msg === 'loaded a plugin' && plugin === 'greeter')).toHaveLength(1);
    }
    await two.api('PATCH', '/api/plugins/greeter', {
      body: { config: { greeting: 'good day', key: 'second secret' } },
    });
    await live('configure', says('1.0.0 good day'), [one, three]);
    const { body } = await three.api('GET', '/api/plugins/greeter/hello', { token: null });
    expect(body).toEqual({ says: '1.0.0 good day', key: 'second secret', configured: 1 });
    await three.api('POST', '/api/plugins/greeter/reload');
    await live(
      'reload',
      async (core) => (await core.api('GET', '/api/plugins/greeter/hello', { token: null })).body.configured === 0,
      [one, two],
    );
    await two.api('POST', '/api/plugins/greeter/disable');
    await live('disable', answers(404), [one, three]);
    await one.api('POST', '/api/plugins/greeter/enable');
    await live('enable', says('1.0.0 good day'));
  });

  test('has its limits and its switches on all', async () => {
    await one.api('PATCH', '/api/plugins/greeter', { body: { limits: { memoryMb: 32 } } });
    await live('limits', async (core) => (await core.api('GET', '/api/plugins/greeter')).body.limits.memoryMb === 32);
    await two.api('PUT', '/api/plugins/greeter/switches/secrets', { body: { on: false } });
    await live(
      'switch off',
      async (core) => (await core.api('GET', '/api/plugins/greeter')).body.switchedOff.includes('secrets'),
      [one, three],
    );
    expect(await answers(200)(three)).toBe(false);
    await two.api('PUT', '/api/plugins/greeter/switches/secrets', { body: { on: true } });
    await live('switch on', answers(200), [one, three]);
  });

  test('that is put into quarantine and released is so on all', async () => {
    const state = async () => (await one.api('GET', '/api/plugins/greeter')).body.state;
    await until(
      async () => {
        await one.api('GET', '/api/plugins/greeter/die', { token: null });
        return (await state()) === 'quarantined';
      },
      'it loses its isolate too often',
      60_000,
    );
    const isQuarantined = async (core: RunningCore) => {
      const { status, body } = await core.api('GET', '/api/plugins/greeter/hello', { token: null });
      return status === 503 && body.code === 'plugin_quarantined';
    };
    await live('quarantine', isQuarantined);
    await two.api('POST', '/api/plugins/greeter/enable');
    await live('release', says('1.0.0 good day'), [one, three]);
  });

  test('is uninstalled everywhere', async () => {
    await three.api('DELETE', '/api/plugins/greeter');
    await live('uninstall', async (core) => (await core.api('GET', '/api/plugins/greeter')).status === 404, [one, two]);
  });
});

describe('an upgrade', () => {
  const notes = (version: string, column: string) => ({
    manifest: { name: 'notes', version, permissions: ['database'] },
    'migrations/0001_notes.sql':
      'create table notes (id int generated always as identity primary key, text text not null);',
    ...(version === '1.0.0'
      ? {}
      : { 'migrations/0002_more.sql': `alter table notes add column more text default 'new';` }),
    'index.ts': `
      export default {
        onLoad({ api, database }) {
          api.get('/add', async () => {
            const [row] = await database.query("insert into notes (text) values ('x') returning ${column} as id");
            return { version: '${version}', id: row.id };
          }, { auth: 'public' });
          api.get('/count', async () => (await database.query('select count(*)::int as n from notes'))[0], { auth: 'public' });
        },
      };`,
  });

  test('with a migration fails no request on any of them, and loses none', async () => {
    await install(one, notes('1.0.0', 'id'));
    const isThere = (version: string) => async (core: RunningCore) =>
      (await core.api('GET', '/api/plugins/notes/add', { token: null })).body.version === version;
    await live('install with a database', isThere('1.0.0'));
    const { body: before } = await one.api('GET', '/api/plugins/notes/count', { token: null });
    const loads = replicas.cores.map((core) =>
      startLoad(`${core.url}/api/plugins/notes/add`, (response) => response.status === 200, 3),
    );
    await Promise.all(loads.map((load) => load.more(20)));
    const begun = performance.now();
    await install(two, notes('1.1.0', 'id'));
    console.info(`upgrade: ${Math.round(performance.now() - begun)} ms`);
    // Under the load, which asks and answers slower.
    await live('upgrade', isThere('1.1.0'), [one, three]);
    await Promise.all(loads.map((load) => load.more(20)));
    await Promise.all(loads.map((load) => load.stop()));
    for (const load of loads) expect(load.odd).toEqual([]);
    const { body: after } = await three.api('GET', '/api/plugins/notes/count', { token: null });
    const asked = loads.reduce((sum, load) => sum + load.total, 0);
    expect(after.n).toBeGreaterThanOrEqual(before.n + asked);
    const { body } = await one.api('GET', '/api/replicas');
    expect(body.replicas.map((replica: { behind: object }) => replica.behind)).toEqual([{}, {}, {}]);
  });

  test('is rolled back on all, with its data', async () => {
    const { status } = await three.api('POST', '/api/plugins/notes/rollback', {
      body: { version: '1.0.0', data: 'restore' },
    });
    expect(status).toBe(200);
    await live(
      'rollback',
      async (core) => (await core.api('GET', '/api/plugins/notes/add', { token: null })).body.version === '1.0.0',
      [one, two],
    );
  });
});

test('what one of them alone has does not load on the others: they say so, try again, and let go of it', async () => {
  const folder = join(folders.path, 'local');
  await writePlugin(folder, {
    manifest: { name: 'local', version: '1.0.0' },
    'index.ts': `export default { onLoad({ api }) { api.get('/here', () => 'yes', { auth: 'public' }); } };`,
  });
  const status = async (core: RunningCore) =>
    (await core.api('GET', '/api/plugins/local/here', { token: null })).status;
  await live('found in a folder', async (core) => (await status(core)) === 200, [one]);
  const behind = async (core: RunningCore): Promise<string[]> => {
    const { body } = await core.api('GET', '/api/replicas');
    const late = body.replicas.filter((replica: { behind: object }) => Object.hasOwn(replica.behind, 'local'));
    return late.map((replica: { address: string }) => replica.address).sort();
  };
  await live('two are behind', async (core) => Bun.deepEquals(await behind(core), ['three', 'two']), [one, two, three]);
  expect(await status(two)).toBe(503);
  expect(JSON.stringify((await one.api('GET', '/readyz?verbose')).body)).toContain('local on ');
  await rm(folder, { recursive: true });
  await live('uninstall', async (core) => (await behind(core)).length === 0 && (await status(core)) === 404, [
    one,
    two,
    three,
  ]);
});

test('changes of one plugin on two of them at once do not cross', async () => {
  await install(one, greeter('1.0.0'), { config: { greeting: 'a' } });
  await live('install', says('1.0.0 a'));
  const asked = await Promise.all(
    replicas.cores.map((core, n) =>
      core.api('PATCH', '/api/plugins/greeter', { body: { config: { greeting: `g${n}` } } }),
    ),
  );
  for (const { status } of asked) expect([200, 409]).toContain(status);
  expect(asked.some(({ status }) => status === 200)).toBe(true);
  // Whichever came last holds, on all of them.
  const greetings = async (): Promise<string[]> =>
    Promise.all(
      replicas.cores.map(async (core) => (await core.api('GET', '/api/plugins/greeter')).body.config.greeting),
    );
  const settled = await until(async () => {
    const [first, ...others] = await greetings();
    return first !== undefined && others.every((other) => other === first) && first;
  }, 'all have the same');
  expect(asked[Number(settled.slice(1))]?.status).toBe(200);
  await live('one of them', says(`1.0.0 ${settled}`), [one, two, three]);
  expect((await one.api('GET', '/api/plugins/greeter')).body.error).toBeNull();
});

test('a token that is revoked on one, and a user who is deactivated, are nobody on the others', async () => {
  const { body: made } = await one.api('POST', '/api/auth/tokens', { body: { name: 'a token' } });
  const status = async (core: RunningCore, token: string) => (await core.api('GET', '/api/auth/me', { token })).status;
  for (const core of replicas.cores) expect(await status(core, made.token)).toBe(200);
  await one.api('DELETE', `/api/auth/tokens/${made.id}`);
  expect(await live('token revoked', async (core) => (await status(core, made.token)) === 401)).toBeLessThan(LIVE_MS);
  const session = await two.signUp('someone@example.com');
  for (const core of replicas.cores) expect(await status(core, session)).toBe(200);
  const me = await two.api('GET', '/api/auth/me', { token: session });
  await two.api('PATCH', `/api/users/${me.body.user.id}`, { body: { active: false } });
  await live('user deactivated', async (core) => (await status(core, session)) === 401, [one, three]);
});

test('what a core was delivering when it was killed is delivered by the others', async () => {
  await install(one, {
    manifest: { name: 'taker', version: '1.0.0', permissions: ['events:subscribe:custom.*'] },
    'index.ts': `
      export default {
        onLoad({ api, events, storage }) {
          events.on('custom.note', async ({ n }) => {
            await new Promise((resolve) => setTimeout(resolve, 200));
            await storage.set('n' + n, true);
          });
          api.get('/taken', async () => (await storage.list({ prefix: 'n', limit: 200 })).entries.length, { auth: 'public' });
        },
      };`,
  });
  await live(
    'install',
    async (core) => (await core.api('GET', '/api/plugins/taker/taken', { token: null })).status === 200,
  );
  const count = 100;
  await Promise.all(
    Array.from({ length: count }, (_, n) =>
      three.api('POST', '/api/events', { body: { name: 'custom.note', data: { n } } }),
    ),
  );
  const held = async () =>
    (
      await replicas.database.db.selectFrom('deliveries').select('claimed_by').where('state', '=', 'pending').execute()
    ).filter(({ claimed_by }) => claimed_by !== null);
  const { body } = await one.api('GET', '/api/replicas');
  const id = body.replicas.find((replica: { address: string }) => replica.address === 'three').id;
  await until(async () => (await held()).some((row) => row.claimed_by === id), 'three delivers some');
  const begun = performance.now();
  await three.kill();
  const taken = async () => (await one.api('GET', '/api/plugins/taker/taken', { token: null })).body;
  await until(async () => (await taken()) === count, 'all are delivered', 60_000);
  console.info(`all of ${count} delivered ${Math.round(performance.now() - begun)} ms after the kill`);
  const left = await two.api('GET', '/api/replicas');
  expect(left.body.replicas).toHaveLength(2);
});
