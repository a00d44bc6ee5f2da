import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { createSql, type Sql } from '../../src/db/sql.ts';
import { replaceSubscriptions } from '../../src/events/subscriptions.ts';
import { createLog } from '../../src/log.ts';
import { Switches } from '../../src/permissions/switches.ts';
import { readPlugin, renewPlugin, updatePlugin } from '../../src/plugins/store.ts';
import { CHANGES_CHANNEL, parseHint } from '../../src/replicas/changes.ts';
import { Convergence, type Kept, NotConverged } from '../../src/replicas/convergence.ts';
import type { Behind } from '../../src/replicas/replica.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

// What makes a core look, and what it does when it cannot be as the tables say.

const log = createLog('silent');
const NEVER = 1e9;
let database: TestDatabase;
let listening: Sql;

beforeAll(async () => {
  database = await testDatabase();
  listening = createSql({ address: database.address, max: 1, log });
});
afterAll(async () => {
  await listening?.end();
  await database?.drop();
});
beforeEach(async () => {
  await sql`truncate installed_plugins, users cascade`.execute(database.db);
});

async function insert(name: string): Promise<number> {
  const { rows } = await sql<{ revision: number }>`
    insert into installed_plugins (name, version, source, package_digest, enabled)
    values (${name}, '1.0.0', 'upload', 'one', true) returning revision`.execute(database.db);
  return rows[0]?.revision ?? 0;
}

/** A core that notes what it is asked to look at. */
function follower(limits: { reconcileMs?: number } = {}, ears: Pick<Sql, 'listen'> = listening) {
  const looks: string[] = [];
  const revisions = new Map<string, number>();
  let behind: Readonly<Record<string, Behind>> = {};
  let failure: Error | null = null;
  const note =
    (what: string) =>
    async (name = 'all') =>
      void looks.push(`${what} ${name}`);
  const kept: Kept = {
    revisions: () => revisions,
    async converge(plugin) {
      looks.push(`plugin ${plugin}`);
      const row = await readPlugin(database.db, plugin);
      if (failure !== null) throw new NotConverged(plugin, row?.revision ?? 0, failure);
      if (row === null) revisions.delete(plugin);
      else revisions.set(plugin, row.revision);
    },
    switches: note('switches'),
    database: note('database'),
    pauses: note('pauses'),
    paused: (plugin) => void looks.push(`paused ${plugin}`),
    principals: (changed) => void looks.push(`principals ${changed === undefined ? 'all' : Object.values(changed)[0]}`),
    key: note('key'),
  };
  const convergence = new Convergence({
    db: database.db,
    sql: ears,
    log,
    kept,
    onBehind: (now) => {
      behind = now;
    },
    limits: { reconcileMs: NEVER, retryMs: 20, lastRetryMs: 100, ...limits },
  });
  return {
    convergence,
    looks,
    revisions,
    behind: () => behind,
    fail: (why: Error | null) => {
      failure = why;
    },
    saw: (look: string) => until(() => looks.includes(look), look),
  };
}

test('a hint makes it look; one that says nothing, or lies, changes nothing', async () => {
  const core = follower();
  await core.convergence.start();
  const revision = await insert('first');
  await until(() => core.revisions.get('first') === revision, 'the plugin is as its row says');
  for (const lie of ['', 'plugin', 'nonsense:x', `plugin:${'x'.repeat(8000)}`.slice(0, 7999), 'plugin:nobody']) {
    await listening.notify(CHANGES_CHANNEL, lie);
  }
  await core.saw('plugin nobody');
  expect([...core.revisions]).toEqual([['first', revision]]);
  expect(core.behind()).toEqual({});
  await database.db.deleteFrom('installed_plugins').execute();
  await until(() => core.revisions.size === 0, 'it is taken away');
  await core.convergence.stop();
});

test('the tables tell of plugins, switches, databases, pauses, users, tokens, sessions and the key', async () => {
  const core = follower();
  await core.convergence.start();
  const { db } = database;
  await insert('first');
  await sql`insert into plugin_switches (plugin_name, capability) values ('first', 'fetch')`.execute(db);
  await sql`insert into plugin_databases (plugin_name, database, role) values ('first', 'd', 'r')`.execute(db);
  await sql`insert into plugin_pauses values ('first', ${crypto.randomUUID()}, now())`.execute(db);
  await sql`insert into plugin_pauses_kept values ('first', ${crypto.randomUUID()})`.execute(db);
  for (const look of ['plugin', 'switches', 'database', 'paused']) await core.saw(`${look} first`);
  await core.saw('pauses all');
  const { rows } = await sql<{ id: string }>`
    insert into users (email, name) values ('a@example.com', 'A') returning id`.execute(db);
  const user = rows[0]?.id ?? '';
  await sql`update users set last_login_at = now()`.execute(db);
  const token = crypto.randomUUID();
  await sql`
    insert into api_tokens (id, user_id, name, token_hash, prefix) values (${token}, ${user}, 't', sha256('t'), 'p')`.execute(
    db,
  );
  expect(core.looks).not.toContain(`principals ${user}`);
  await sql`delete from api_tokens`.execute(db);
  await core.saw(`principals ${token}`);
  expect(core.looks).not.toContain(`principals ${user}`);
  await sql`update users set active = false`.execute(db);
  await core.saw(`principals ${user}`);
  await sql`insert into secret_key (key_id) values ('k')`.execute(db);
  await sql`update secret_key set key_id = 'l'`.execute(db);
  await core.saw('key all');
  await sql`delete from secret_key`.execute(db);
  await sql`delete from plugin_databases`.execute(db);
  await sql`delete from plugin_pauses`.execute(db);
  await core.convergence.stop();
});

test('what no hint told it finds by itself', async () => {
  // As with a connection that is lost, and does not know it yet.
  const deaf = { listen: async () => ({ unlisten: async () => undefined }) };
  const core = follower({ reconcileMs: 20 }, deaf);
  await core.convergence.start();
  const revision = await insert('second');
  await until(() => core.revisions.get('second') === revision, 'it is found');
  await database.db.deleteFrom('installed_plugins').execute();
  await until(() => core.revisions.size === 0, 'that it is gone is found');
  await core.convergence.stop();
});

test('a plugin that does not load here is shown, tried again, and forgotten when it loads', async () => {
  const core = follower();
  core.fail(new Error('no memory'));
  await core.convergence.start();
  const revision = await insert('third');
  await until(() => core.behind().third !== undefined, 'it is behind');
  expect(core.behind().third).toMatchObject({ revision, error: 'no memory' });
  await until(() => core.looks.filter((look) => look === 'plugin third').length > 2, 'it is tried again');
  core.fail(null);
  await until(() => core.behind().third === undefined, 'it has caught up');
  expect(core.revisions.get('third')).toBe(revision);
  await core.convergence.stop();
});

test('each change of a plugin has a later revision; only some are a new generation', async () => {
  const { db } = database;
  const first = await insert('first');
  const plain = await updatePlugin(db, 'first', { config: { a: 1 } }, first);
  expect(plain.revision).toBeGreaterThan(first);
  expect(plain.generation).toBe(first);
  const granted = await updatePlugin(db, 'first', { grants: ['files'] });
  expect(granted.generation).toBe(granted.revision);
  const renewed = await renewPlugin(db, 'first');
  expect(renewed.revision).toBeGreaterThan(granted.revision);
  expect(renewed.generation).toBe(renewed.revision);
  await sql`update installed_plugins set resting = '{}'`.execute(db);
  expect((await readPlugin(db, 'first'))?.revision).toBe(renewed.revision);
  await expect(updatePlugin(db, 'first', { enabled: false }, granted.revision)).rejects.toMatchObject({
    code: 'conflict',
  });
});

test('a version that is installed no more does not change the subscriptions', async () => {
  const { db } = database;
  await insert('first');
  const patterns = async () =>
    (await db.selectFrom('plugin_subscriptions').select('pattern').orderBy('pattern').execute()).map(
      (row) => row.pattern,
    );
  const subscription = (pattern: string) => [{ pattern, orderBy: null, concurrency: null }];
  await replaceSubscriptions(db, 'first', subscription('custom.new'), 'one');
  await replaceSubscriptions(db, 'first', subscription('custom.old'), 'before');
  expect(await patterns()).toEqual(['custom.new']);
  await replaceSubscriptions(db, 'first', []);
  expect(await patterns()).toEqual([]);
});

test('switches that another core has turned are turned here, once', async () => {
  const { db } = database;
  await insert('first');
  const { rows } = await sql<{ id: string }>`
    insert into users (email, name) values ('a@example.com', 'A') returning id`.execute(db);
  const by = rows[0]?.id ?? '';
  const turned: string[] = [];
  const contracts = [{ name: 'fetch', summary: '' }] as never;
  const on = (who: string) => (plugin: string, capability: string, isOn: boolean) =>
    void turned.push(`${who} ${plugin} ${capability} ${isOn}`);
  const here = new Switches({ db, contracts, onChange: on('here') });
  const there = new Switches({ db, contracts, onChange: on('there') });
  await here.set('first', 'fetch', { on: false, reason: 'a test', by });
  await here.refresh('first');
  await there.refresh();
  await there.refresh('first');
  expect(there.isOff('first', 'fetch')).toBe(true);
  expect(there.list('first')[0]?.reason).toBe('a test');
  await there.set('first', 'fetch', { on: true, reason: null, by });
  await here.refresh();
  expect(here.isOff('first', 'fetch')).toBe(false);
  expect(turned).toEqual([
    'here first fetch false',
    'there first fetch false',
    'there first fetch true',
    'here first fetch true',
  ]);
});

test('a hint says where to look and nothing else', () => {
  expect(parseHint('plugin:greeter')).toEqual({ kind: 'plugin', what: 'greeter' });
  expect(parseHint('key:')).toEqual({ kind: 'key', what: '' });
  for (const odd of ['', ':', 'plugin', 'drop:everything', `user:${'a'.repeat(300)}`])
    expect(parseHint(odd)).toBeNull();
});
