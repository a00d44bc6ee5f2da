import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { rolePassword } from '../../src/databases/passwords.ts';
import { closeDb, createDb } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { deriveKey } from '../../src/secrets/envelope.ts';
import { streamspace } from '../cli/run.ts';
import { findLeaks, findLeaksIn, type Sought, sought } from '../kit/leaks.ts';
import { fixturePackage } from '../kit/plugin.ts';
import { isolateHostOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// One run of the whole product with secrets that are unlike anything else, and a plugin that does all it can to show them;
// then they are looked for in everything that came out and in everything that was written. What a plugin answers, stores,
// emits or registers is its own affair and not looked at.

setDefaultTimeout(240_000);

const CONFIG = {
  port: 8080,
  token: 'sk-leaky-Zx81QmTokenTokenValue',
  odd: 'p@ss w"ord/ä+é\\%&<x>?#:odd,Secret',
  digits: '0070314159265',
  pem: `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BLeaky1'}\n${'AQEFAASCBKcwggSjAgEAAoIBLeaky2'}\n-----END PRIVATE KEY-----\n`,
  webhook: 'https://hooks.example.com/services/T0LEAKY/B0LEAKY/wEbHoOkSeCrEt',
  either: 'either-secret-Jq77Kp',
  servers: [
    { host: 'one.example.com', key: 'server-key-one-Vw55Lm' },
    { host: 'two.example.com', key: 'server-key-two-Vw56Ln' },
  ],
  accounts: { ops: 'account-key-ops-Hh33Gg' },
};
/** In configurations that are refused: the core never learns that they are secrets. */
const REFUSED = { token: ' refused-token-Bb99Nn', either: 'refused-either-Cc88Mm', broken: 'refused-broken-Dd77Ll' };
const CHANGED = 'sk-leaky-changed-Tt44Rr';

const all: Sought[] = [
  ...(['token', 'odd', 'digits', 'pem', 'webhook', 'either'] as const).map((name) => sought(name, CONFIG[name])),
  ...CONFIG.servers.map(({ key }, i) => sought(`servers.${i}.key`, key)),
  sought('accounts.ops', CONFIG.accounts.ops),
  ...Object.entries(REFUSED).map(([name, secret]) => sought(`the refused ${name}`, secret.trim())),
  sought('the changed token', CHANGED),
];
/** What was answered or printed, by where. */
const seen: { readonly place: string; readonly text: string | Uint8Array }[] = [];
let home: string;
let core: RunningCore;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'streamspace-grep-'));
  core = await start();
});
afterAll(async () => {
  await core?.stop();
  await rm(home, { recursive: true, force: true });
});

function start(): Promise<RunningCore> {
  const stderr = join(home, 'stderr');
  return startCore({
    database: 'embedded',
    dataDir: join(home, 'data'),
    env: { LOG_LEVEL: 'debug' },
    through: { command: ['/bin/sh', '-c', `exec "$@" 2>>'${stderr}'`, 'sh'] },
  });
}

/** A request as the admin; its answer is looked at in the end. */
async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(core.url + path, {
    method,
    headers: {
      authorization: `Bearer ${core.token}`,
      ...(body === undefined
        ? {}
        : { 'content-type': body instanceof Uint8Array ? 'application/gzip' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body: (raw ? body : JSON.stringify(body)) as BodyInit }),
    signal: AbortSignal.timeout(20_000),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const place = `${method} ${path.slice(0, 60)}`;
  seen.push({ place, text: JSON.stringify([...response.headers]) });
  // A backup.
  const isPacked = response.headers.get('content-type') === 'application/gzip';
  seen.push({ place, text: isPacked ? Bun.gunzipSync(bytes) : bytes });
  return { status: response.status, text: new TextDecoder().decode(bytes) };
}

async function install(version: string, config: object): Promise<{ status: number; text: string }> {
  const archive = await fixturePackage('leaky', { version });
  const query = new URLSearchParams({ grants: 'all', config: JSON.stringify(config) });
  return ask('POST', `/api/plugins/install?${query}`, archive);
}

async function cli(...args: string[]): Promise<void> {
  const env = { STREAMSPACE_URL: core.url, STREAMSPACE_TOKEN: core.token };
  const { out, err } = await streamspace(args, { cwd: home, env });
  seen.push({ place: `streamspace ${args.slice(0, 3).join(' ')}`, text: out + err });
}

/** The superuser's own look at the database. */
async function inDatabase<T>(work: (db: ReturnType<typeof createDb>) => Promise<T>, database = 'postgres'): Promise<T> {
  const password = (await readFile(join(core.dataDir, 'postgres/password'), 'utf8')).trim();
  const socketDir = join(core.dataDir, 'postgres/run');
  const address = { socketDir, port: 5432, user: 'streamspace', password, database };
  const db = createDb({ address, max: 1, log: createLog('silent') });
  try {
    return await work(db);
  } finally {
    await closeDb(db);
  }
}

const loggedIn: Record<string, string> = {};

test('a run', async () => {
  // Signing in, a cookie, an API token: their answers hold them, and nothing else may.
  const signedIn = await fetch(`${core.url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(core.admin),
  });
  loggedIn['the session cookie'] = /=([\w-]{43})/.exec(signedIn.headers.get('set-cookie') ?? '')?.[1] ?? '';
  loggedIn['the bearer token'] = core.token;
  loggedIn["the admin's password"] = core.admin.password;
  const made = await core.api('POST', '/api/auth/tokens', { body: { name: 'grep' } });
  loggedIn['the API token'] = made.body.token;
  await ask('POST', '/api/auth/login', { email: core.admin.email, password: `${core.admin.password}!` });
  await ask('POST', '/api/users', { email: 'no email', name: 'x', password: core.admin.password });

  // Configurations that are refused.
  expect((await install('1.0.0', { ...CONFIG, ...REFUSED, port: 99_999 })).status).toBe(422);
  expect((await install('1.0.0', { ...CONFIG, servers: REFUSED.either, digits: [REFUSED.token] })).status).toBe(422);
  const installed = await install('1.0.0', CONFIG);
  expect([installed.status, JSON.parse(installed.text).state]).toEqual([201, 'active']);
  for (const config of [
    { ...CONFIG, token: REFUSED.token },
    { ...CONFIG, mode: REFUSED.either },
    { ...CONFIG, accounts: [REFUSED.either] },
    { ...CONFIG, either: { oneOf: REFUSED.either } },
    { ...CONFIG, webhook: REFUSED.broken },
    { ...CONFIG, digits: 70314159265 },
  ]) {
    expect((await ask('PATCH', '/api/plugins/leaky', { config })).status).toBe(422);
  }
  await ask('PATCH', '/api/plugins/leaky', { config: REFUSED.broken, grants: REFUSED.either });
  await ask('PATCH', '/api/plugins/leaky', { limits: { memoryMb: REFUSED.either } });
  await ask('PATCH', '/api/plugins/leaky', `{"config": {"token": ${REFUSED.broken}}}`);
  await ask('PATCH', '/api/plugins/leaky', `{"config": {"token": "${REFUSED.broken}`);
  await writeFile(join(home, 'config.json'), `{"token": ${REFUSED.broken}}`);
  await cli('plugin', 'enable', 'leaky', '--config', 'config.json');
  await cli('plugin', 'enable', 'leaky', '--set', 'port=1', '--set', `token=${REFUSED.token}`);

  // What the plugin does by itself.
  for (const path of ['say', 'provoke', 'throw', 'late', 'stray', 'throw']) {
    await fetch(`${core.url}/api/plugins/leaky/${path}`).then((response) => response.arrayBuffer());
  }
  await ask('POST', '/api/events', { name: 'custom.leak', data: {} });
  const failed = await until(async () => {
    const { text } = await ask('GET', '/api/plugins/leaky/deliveries');
    return text.includes('plugin_error') ? text : null;
  }, 'a delivery has failed');
  expect(failed).toContain('********');
  // The next attempt is the last.
  await inDatabase((db) => sql`update deliveries set attempts = 7, next_attempt_at = now()`.execute(db));
  await ask('POST', '/api/events', { name: 'custom.leak', data: {} });
  await until(
    async () => (await ask('GET', '/api/plugins/leaky/deliveries?state=dead')).text.includes('plugin_error') || null,
    'a dead letter',
  );
  await until(
    async () => (await ask('GET', '/api/plugins/leaky')).text.includes('"lastError":"plugin_error') || null,
    'a job has failed',
  );

  // Changes: of the configuration, by upgrades that fail and that do not, and back.
  expect(
    (await ask('PATCH', '/api/plugins/leaky', { config: { ...CONFIG, token: CHANGED, odd: '********' } })).status,
  ).toBe(200);
  expect((await install('1.1.0', { ...CONFIG, mode: 'loud' })).status).toBe(422);
  expect((await install('1.2.0', { ...CONFIG, servers: [{ host: 'two.example.com', key: '********' }] })).status).toBe(
    201,
  );
  expect((await ask('PATCH', '/api/plugins/leaky', { config: { ...CONFIG, mode: 'loud' }, limits: {} })).status).toBe(
    422,
  );
  expect((await ask('POST', '/api/plugins/leaky/rollback', {})).status).toBe(200);
  expect((await ask('POST', '/api/secrets/rotate')).status).toBe(200);
  await cli('secrets', 'rotate');

  // Its isolate is ended, its process is killed, with a secret in what was under way.
  const { either } = CONFIG;
  await fetch(`${core.url}/api/plugins/leaky/spin/${either}`).then((response) => response.arrayBuffer());
  const waiting = fetch(`${core.url}/api/plugins/leaky/wait/${either}`).then((response) => response.arrayBuffer());
  await until(
    async () => (await ask('GET', '/api/plugins/leaky')).text.includes('"state":"active"') || null,
    'it is back',
  );
  const host = isolateHostOf(core.pid);
  if (host !== null) process.kill(host, 'SIGKILL');
  await waiting.catch(() => undefined);
  await until(
    async () => (await ask('GET', '/api/plugins/leaky')).text.includes('"state":"active"') || null,
    'it is back',
  );
  await fetch(`${core.url}/api/plugins/leaky/say`).then((response) => response.arrayBuffer());

  // The core itself dies and starts again.
  await core.kill();
  seen.push({ place: 'the log of the core that was killed', text: JSON.stringify(core.lines) });
  const before = core;
  core = await start();
  await before.stop();
  loggedIn['the second bearer token'] = core.token;
  await fetch(`${core.url}/api/plugins/leaky/throw`).then((response) => response.arrayBuffer());
});

test('every GET of the OpenAPI document, as the admin', async () => {
  const { paths } = JSON.parse((await ask('GET', '/api/openapi.json')).text) as {
    paths: Record<string, { get?: { tags?: string[] } }>;
  };
  const idOf = async (path: string, field = 'id'): Promise<string> => {
    const body = JSON.parse((await ask('GET', path)).text);
    const list = (body.items ?? Object.values(body).find(Array.isArray) ?? []) as Record<string, unknown>[];
    return String(list[0]?.[field] ?? '1');
  };
  const values: Record<string, string> = {
    id: 'leaky',
    name: 'leaky',
    postMortem: await idOf('/api/plugins/leaky/post-mortems'),
    delivery: await idOf('/api/plugins/leaky/deliveries'),
    capability: 'fetch',
  };
  const asked = [];
  for (const [path, { get }] of Object.entries(paths)) {
    // What the plugin answers is its own affair.
    if (get === undefined || get.tags?.includes('leaky')) continue;
    const filled = path.replace(/\{(\w+)\??\}/g, (_, name: string) => values[name] ?? '1');
    const { status } = await ask('GET', `${filled}${filled.endsWith('/logs') ? '?follow=false&limit=1000' : ''}`);
    asked.push(`${status} ${filled}`);
  }
  expect(asked.filter((line) => line.startsWith('200')).length).toBeGreaterThan(15);
  expect(asked.filter((line) => line.startsWith('5'))).toEqual([]);
});

test('every command', async () => {
  for (const command of [
    ['plugin', 'list'],
    ['plugin', 'logs', 'leaky', '--lines', '1000'],
    ['plugin', 'post-mortems', 'leaky', '--json'],
    ['plugin', 'permissions', 'leaky', '--json'],
    ['secrets', 'status'],
    ['doctor', core.url],
  ]) {
    await cli(...command);
  }
});

test('none of them is anywhere', async () => {
  const keyPath = join(core.dataDir, 'secret.key');
  const passwordPath = join(core.dataDir, 'postgres/password');
  const secretKey = (await readFile(keyPath, 'utf8')).trim();
  const password = (await readFile(passwordPath, 'utf8')).trim();
  const own = [
    sought('the secret key', secretKey),
    { what: 'the bytes of the secret key', forms: [Buffer.from(secretKey, 'base64')] },
    sought("the database's password", password),
    ...Object.entries(loggedIn).map(([what, text]) => sought(what, text)),
    ...(await rolePasswords(Buffer.from(secretKey, 'base64'))),
  ];
  for (const { forms } of [...all, ...own]) expect(Math.min(...forms.map(({ length }) => length))).toBeGreaterThan(7);
  const everything = [...all, ...own];
  const databases = await inDatabase(async (db) => {
    const { rows } = await sql<{
      datname: string;
    }>`select datname from pg_database where datallowconn and not datistemplate`.execute(db);
    return rows.map(({ datname }) => datname);
  });
  for (const database of databases) {
    const dumped = await inDatabase(dump, database);
    expect(dumped.length).toBeGreaterThan(0);
    seen.push(...dumped);
  }
  await core.stop();
  seen.push({ place: 'the log of the core', text: JSON.stringify(core.lines) });
  seen.push({ place: 'the standard error of the core', text: await readFile(join(home, 'stderr'), 'utf8') });
  expect(core.lines.some(({ level }) => level === 'debug')).toBe(true);
  // Whoever looks finds: what is no secret of the configuration, and the masks of what is.
  const inTheOpen = [sought('a host', 'two.example.com')];
  const has = (text: string | Uint8Array, what: string) => Buffer.from(text).includes(what);
  const isSeen = (place: string) =>
    seen.some((one) => one.place === place && findLeaks('', one.text, inTheOpen).length > 0);
  expect(isSeen('the table public.installed_plugins')).toBe(true);
  expect(findLeaksIn(join(core.dataDir, 'postgres'), inTheOpen, () => false).length).toBeGreaterThan(0);
  expect(isSeen('GET /api/backup')).toBe(true);
  expect(seen.some(({ text }) => has(text, 'invalid input syntax for type integer'))).toBe(true);
  expect(seen.some(({ place, text }) => place.includes('/post-mortems/') && has(text, '/spin/********'))).toBe(true);
  expect(seen.filter(({ text }) => has(text, '********')).length).toBeGreaterThan(10);

  const leaks = seen.flatMap(({ place, text }) => findLeaks(place, text, everything));
  const isTheirPlace = (path: string) => path === 'secret.key' || path === 'postgres/password';
  leaks.push(...findLeaksIn(core.dataDir, everything, isTheirPlace));
  leaks.push(...findLeaks('secret.key', await readFile(keyPath), [...all, ...own.slice(2)]));
  expect(leaks).toEqual([]);
});

/** What the core derives for the roles of plugins, and stores nowhere. */
async function rolePasswords(key: Buffer): Promise<Sought[]> {
  const roles = await inDatabase((db) => db.selectFrom('plugin_databases').select('role').execute());
  expect(roles.length).toBeGreaterThan(0);
  const keys = { derive: (use: string, bytes = 32) => deriveKey(key, use, bytes) };
  return roles.map(({ role }) => sought('the password of a role', rolePassword(keys, role)));
}

/** Each table as text: what is compressed in the files is seen here. */
async function dump(db: ReturnType<typeof createDb>): Promise<{ place: string; text: string }[]> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and (n.nspname not in ('pg_catalog', 'information_schema') or c.relname in ('pg_authid', 'pg_db_role_setting'))`.execute(
    db,
  );
  return Promise.all(
    rows.map(async ({ schema, name }) => {
      const content = await sql<{
        row: string;
      }>`select t::text as row from ${sql.table(`${schema}.${name}`)} as t`.execute(db);
      return { place: `the table ${schema}.${name}`, text: content.rows.map(({ row }) => row).join('\n') };
    }),
  );
}
