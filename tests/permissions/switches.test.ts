import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { CONTRACTS } from '../../src/broker/rooms.ts';
import { demandAwake, restingEvents, restingMethods } from '../../src/permissions/resting.ts';
import { Switches } from '../../src/permissions/switches.ts';
import { testDatabase } from '../kit/postgres.ts';

const { db, drop } = await testDatabase();
afterAll(drop);

const NAME = 'switched-plugin';
let admin: string;
let changes: string[];
const make = () =>
  new Switches({
    db,
    contracts: CONTRACTS,
    onChange: (plugin, capability, on) => changes.push(`${plugin} ${capability} ${on ? 'on' : 'off'}`),
  });
const off = (reason: string | null = null) => ({ on: false, reason, by: admin });
const on = () => ({ on: true, reason: null, by: admin });
const audited = async () =>
  (await db.selectFrom('audit_log').selectAll().orderBy('id').execute()).map(({ action, target, actor, detail }) => ({
    action,
    target,
    actor,
    detail,
  }));

beforeEach(async () => {
  changes = [];
  await db.deleteFrom('installed_plugins').execute();
  await db.deleteFrom('audit_log').execute();
  await db.deleteFrom('users').execute();
  await db
    .insertInto('installed_plugins')
    .values({ name: NAME, version: '1.0.0', source: 'upload', package_digest: '' })
    .execute();
  const { id } = await db
    .insertInto('users')
    .values({ email: 'admin@localhost', name: 'Admin', role: 'admin' })
    .returning('id')
    .executeTakeFirstOrThrow();
  admin = id;
});

describe('a switch', () => {
  test('is off for one plugin and capability, and on again; each change is in the audit log', async () => {
    const switches = make();
    await switches.set(NAME, 'fetch', off('It talks to a stranger'));
    expect([switches.isOff(NAME, 'fetch'), switches.isOff(NAME, 'storage'), switches.isOff('other', 'fetch')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(switches.list(NAME)).toEqual([
      { capability: 'fetch', at: expect.any(Date), by: admin, reason: 'It talks to a stranger' },
    ]);
    await switches.set(NAME, 'fetch', on());
    expect(switches.isOff(NAME, 'fetch')).toBe(false);
    expect(changes).toEqual([`${NAME} fetch off`, `${NAME} fetch on`]);
    const entry = { action: 'plugin.switched', target: NAME, actor: admin };
    expect(await audited()).toEqual([
      { ...entry, detail: { capability: 'fetch', on: false, reason: 'It talks to a stranger' } },
      { ...entry, detail: { capability: 'fetch', on: true, reason: null } },
    ]);
  });

  test('that is turned to where it stands changes nothing; another reason is written down', async () => {
    const switches = make();
    await switches.set(NAME, 'fetch', on());
    await switches.set(NAME, 'fetch', off('one'));
    await switches.set(NAME, 'fetch', off('one'));
    const [first] = switches.list(NAME);
    await switches.set(NAME, 'fetch', off('two'));
    expect(switches.list(NAME)).toEqual([{ ...(first as object), reason: 'two' }] as never);
    expect(changes).toEqual([`${NAME} fetch off`]);
    expect(await audited()).toHaveLength(2);
  });

  test('asked for both ways at once ends as the last one said, in memory and in the database', async () => {
    const switches = make();
    await Promise.all([switches.set(NAME, 'fetch', off()), switches.set(NAME, 'fetch', on())]);
    await Promise.all([switches.set(NAME, 'storage', on()), switches.set(NAME, 'storage', off())]);
    const again = make();
    await again.open();
    for (const view of [switches, again]) {
      expect([view.isOff(NAME, 'fetch'), view.isOff(NAME, 'storage')]).toEqual([false, true]);
    }
  });

  test('is there after a restart, outlives the user who turned it, and goes with the plugin', async () => {
    await make().set(NAME, 'fetch', off('kept'));
    await db.deleteFrom('users').execute();
    const restarted = make();
    await restarted.open();
    expect(restarted.list(NAME)).toEqual([{ capability: 'fetch', at: expect.any(Date), by: null, reason: 'kept' }]);
    await db.deleteFrom('installed_plugins').execute();
    restarted.forget(NAME);
    expect(restarted.isOff(NAME, 'fetch')).toBe(false);
    const empty = make();
    await empty.open();
    expect(empty.list(NAME)).toEqual([]);
  });

  test.each([
    ['config', 'validation_failed', 'nothing to cut'],
    ['log', 'validation_failed', 'how you see'],
    ['teleport', 'not_found', 'there are api, connect, database, events, fetch'],
  ])('of %s cannot be turned: %s', async (capability, code, why) => {
    const switches = make();
    const refused = await switches.set(NAME, capability, off()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code, message: expect.stringContaining(why) });
    expect(await audited()).toEqual([]);
  });

  test('of a plugin that is not there is refused, and nothing is written', async () => {
    const switches = make();
    const refused = await switches.set('nobody', 'fetch', off()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'plugin_not_found' });
    expect(switches.isOff('nobody', 'fetch')).toBe(false);
    expect(await audited()).toEqual([]);
  });

  test('is there for every room but those that reach nothing', () => {
    const fixed = make().capabilities.filter((capability) => capability.fixed !== null);
    expect(make().capabilities.map(({ name }) => name)).toEqual(CONTRACTS.map(({ name }) => name));
    expect(['config', 'log', 'budget']).toEqual(expect.arrayContaining(fixed.map(({ name }) => name)));
  });
});

describe('what rests meanwhile', () => {
  const only = (capability: string) => ({ isOff: (_plugin: string, name: string) => name === capability });

  test('endpoints answer that they are cut', () => {
    expect(() => demandAwake(only('fetch'), NAME, 'api')).not.toThrow();
    const thrown = (() => {
      try {
        demandAwake(only('api'), NAME, 'api');
      } catch (error) {
        return error;
      }
      return null;
    })();
    expect(thrown).toMatchObject({ code: 'capability_off', status: 503, extra: { plugin: NAME, capability: 'api' } });
  });

  test('events are not ready, and one that was claimed before is given back uncounted', async () => {
    const delivered: string[] = [];
    const sink = { ready: () => true, deliver: async (plugin: string) => void delivered.push(plugin) };
    const event = { id: '1', name: 'a.b', data: null, time: '', attempt: 1 };
    const { signal } = new AbortController();
    const resting = restingEvents(sink, only('events'));
    expect(resting.ready(NAME)).toBe(false);
    const refused = await resting.deliver(NAME, event, signal).catch((error: unknown) => error);
    expect((refused as CodedError).code).toBe('plugin_unavailable');
    const awake = restingEvents(sink, only('fetch'));
    expect(awake.ready(NAME)).toBe(true);
    await awake.deliver(NAME, event, signal);
    expect(delivered).toEqual([NAME]);
  });

  test('methods are not called', async () => {
    const calls = restingMethods({ callMethod: async (..._call) => 'called' }, only('plugins'));
    const refused = await calls.callMethod({} as never, NAME, 'add', []).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'capability_off' });
  });
});
