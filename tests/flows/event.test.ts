import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Flow 3 of DESIGN 2: publish -> subscriptions -> delivery -> isolate -> done, or retry.

setDefaultTimeout(60_000);

interface Seen {
  readonly how: string;
  readonly name: string;
  readonly id: string;
  readonly attempt: number;
  readonly data: Record<string, unknown>;
}

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
  await install(core, {
    manifest: {
      name: 'listener',
      permissions: ['users:read', 'events:subscribe:custom.*', 'events:subscribe:plugin.talker.*'],
    },
    'index.ts': `
      import { definePlugin } from '@streamspace/sdk';
      const seen: object[] = [];
      const failing = new Map<string, number>();
      export default definePlugin({
        onLoad({ api, events }) {
          const note = (how: string) => (data: unknown, event?: object) => {
            seen.push({ how, data, ...event });
          };
          events.on('user.*', note('user.*'));
          events.on('plugin.talker.greeted', note('talker'));
          events.on('custom.*', (data: any, event) => {
            seen.push({ how: 'custom.*', data, ...event });
            const left = failing.get(event.id) ?? (data?.failures ?? 0);
            failing.set(event.id, left - 1);
            if (left > 0) throw new Error('not yet, ' + left + ' to go');
          });
          events.on('custom.hangs', () => new Promise(() => {}));
          api.get('/seen', () => seen, { auth: 'public' });
        },
        onUserCreated(user, ctx) {
          seen.push({ how: 'onUserCreated', name: 'user.created', data: user, ctx: ctx.plugin.name });
        },
      });`,
  });
  await install(core, {
    manifest: { name: 'talker' },
    'index.ts': `
      export default {
        onLoad({ api, events }) {
          api.post('/say', async (request) => events.emit(...(await request.json())), { auth: 'public' });
        },
      };`,
  });
});
afterAll(async () => {
  await core?.stop();
});

const seen = async (): Promise<Seen[]> => (await core.api('GET', '/api/plugins/listener/seen', { token: null })).body;
const seenWhere = (fits: (one: Seen) => boolean, what: string): Promise<Seen> =>
  until(async () => (await seen()).find(fits), what);
const publish = async (name: string, data: object): Promise<string> => {
  const { status, body } = await core.api('POST', '/api/events', { body: { name, data } });
  expect(status).toBe(202);
  return body.id;
};
interface Delivery {
  readonly id: number;
  readonly event: { readonly id: string };
  readonly state: string;
  readonly attempts: number;
  readonly lastError: string | null;
}
const delivery = async (event: string): Promise<Delivery | undefined> => {
  const { body } = await core.api('GET', '/api/plugins/listener/deliveries?limit=200');
  return (body.items as Delivery[]).find((one) => one.event.id === event);
};

test('a user who is made over REST is told to the hook and to the handlers of a matching pattern', async () => {
  await core.signUp('ada@example.com');
  const byHook = await seenWhere(
    ({ how, data }) => how === 'onUserCreated' && data.email === 'ada@example.com',
    'the hook is called',
  );
  expect(byHook).toMatchObject({ ctx: 'listener', data: { email: 'ada@example.com', role: 'user' } });
  const byPattern = (name: string) =>
    seenWhere((one) => one.how === 'user.*' && one.name === name && one.data.email === 'ada@example.com', name);
  expect(await byPattern('user.created')).toMatchObject({ attempt: 1 });
  expect(await byPattern('user.login')).toMatchObject({ attempt: 1 });
  expect(JSON.stringify(await seen())).not.toMatch(/password|argon2/);
});

describe('custom events (SPEC 12.9)', () => {
  test('are durable when they are answered, and delivered with their data', async () => {
    const id = await publish('custom.build.done', { ok: true, text: 'é' });
    const { body } = await core.api('GET', '/api/events?name=custom.*');
    expect(body.items).toContainEqual(expect.objectContaining({ id, name: 'custom.build.done', source: 'core' }));
    const one = await seenWhere((event) => event.id === id, 'the event is delivered');
    expect(one).toMatchObject({
      how: 'custom.*',
      name: 'custom.build.done',
      data: { ok: true, text: 'é' },
      attempt: 1,
    });
    await until(async () => (await delivery(id))?.state === 'done', 'the delivery is done');
  });

  test('have a name of their own, and come from admins', async () => {
    const name = 'user.created';
    expect(await core.api('POST', '/api/events', { body: { name, data: {} } })).toMatchObject({ status: 422 });
    const token = await core.signUp('bob@example.com');
    const body = { name: 'custom.x', data: {} };
    expect(await core.api('POST', '/api/events', { body, token })).toMatchObject({ status: 403 });
    expect(await core.api('POST', '/api/events', { body, token: null })).toMatchObject({ status: 401 });
  });
});

test('a handler that fails is asked again, with the same id, until it succeeds', async () => {
  const id = await publish('custom.flaky', { failures: 1 });
  await until(async () => (await delivery(id))?.lastError?.includes('not yet, 1 to go'), 'the first attempt failed');
  await seenWhere((one) => one.id === id && one.attempt === 2, 'the second attempt');
  const done = await until(async () => {
    const now = await delivery(id);
    return now?.state === 'done' && now;
  }, 'the delivery is done');
  expect(done.attempts).toBe(2);
  expect(await core.logged('listener', 'not yet, 1 to go')).toContain('index.ts');
  const { events } = (await core.api('GET', '/api/plugins/listener/metrics')).body;
  expect(events.failed).toBeGreaterThanOrEqual(1);
  expect(events.delivered).toBeGreaterThanOrEqual(1);
});

test('a handler that hangs holds up nobody else', async () => {
  const hanging = await publish('custom.hangs', {});
  const next = await publish('custom.after', {});
  await seenWhere((one) => one.id === next, 'the one after it is delivered');
  expect(await delivery(hanging)).toMatchObject({ state: 'pending' });
  const { id } = (await delivery(hanging)) as Delivery;
  expect((await core.api('DELETE', `/api/plugins/listener/deliveries/${id}`)).status).toBe(204);
  expect(await delivery(hanging)).toBeUndefined();
});

test('a delivery can be delivered again', async () => {
  const event = await publish('custom.again', {});
  const { id } = await until(async () => {
    const now = await delivery(event);
    return now?.state === 'done' && now;
  }, 'the first delivery');
  const path = `/api/plugins/listener/deliveries/${id}/redeliver`;
  expect(await core.api('POST', path)).toMatchObject({ status: 202, body: { id, state: 'pending' } });
  await until(async () => (await seen()).filter((one) => one.id === event).length === 2, 'it is delivered again');
  expect(await core.api('POST', '/api/plugins/listener/deliveries/999999/redeliver')).toMatchObject({ status: 404 });
});

test('what a plugin emits is in its own namespace, and reaches who may hear it', async () => {
  const say = (...args: unknown[]) => core.api('POST', '/api/plugins/talker/say', { body: args, token: null });
  const { body: id } = await say('greeted', { whom: 'Ada' });
  expect(await seenWhere((one) => one.id === id, 'the event of the other plugin')).toMatchObject({
    how: 'talker',
    name: 'plugin.talker.greeted',
    data: { whom: 'Ada' },
  });
  expect((await core.api('GET', '/api/events?source=talker')).body.items).toMatchObject([{ id }]);
  await say('user.created', { email: 'forged@example.com' });
  const { body } = await core.api('GET', '/api/events?source=talker');
  expect(body.items[0].name).toBe('plugin.talker.user.created');
  expect(JSON.stringify(await seen())).not.toContain('forged');
});

test('a plugin that is disabled hears nothing, and of what came meanwhile neither', async () => {
  await core.api('POST', '/api/plugins/listener/disable');
  const missed = await publish('custom.meanwhile', {});
  await core.api('POST', '/api/plugins/listener/enable');
  const heard = await publish('custom.after-all', {});
  await seenWhere((one) => one.id === heard, 'it hears again');
  expect((await seen()).some((one) => one.id === missed)).toBe(false);
});
