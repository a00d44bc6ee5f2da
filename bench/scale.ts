import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { closeDb, createDb } from '../src/db/client.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { createDispatcher } from '../src/events/deliver.ts';
import { Emitter } from '../src/events/emitter.ts';
import { DELIVERIES_CHANNEL, publish } from '../src/events/publish.ts';
import { createSqlDeliveryStore } from '../src/events/sql-delivery-store.ts';
import { createLog } from '../src/log.ts';
import { createSqlTickStore } from '../src/schedules/sql-tick-store.ts';
import { fingerprintOf } from '../src/schedules/tick-store.ts';

// The figures of docs/scale.md: what events, deliveries, ticks, notifications and connections cost one PostgreSQL, which
// waits for the disk as a real one does. A minute.

const EVENTS = 10_000;
const SECONDS = 3;
const WRITERS = 20;
const PLUGINS = 100;
const PACKAGE = '0'.repeat(64);
const log = createLog('error');

const dataDir = await mkdtemp(join(tmpdir(), 'streamspace-scale-'));
const server = await startEmbedded({ dataDir, log });
const { address } = server;
const db = createDb({ address, max: WRITERS, log });
try {
  await migrate({ address, log });
  await installPlugins();
  console.log(`PostgreSQL ${(await one<{ v: string }>(sql`select current_setting('server_version') as v`)).v}`);
  await measureWrites();
  await measureDeliveries();
  await measureTicks();
  await measureIdle();
  await measureNotify();
  await measureConnections();
} finally {
  await closeDb(db);
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}

async function installPlugins(): Promise<void> {
  await sql`
    insert into installed_plugins (name, version, package_digest, source, enabled)
    select 'plugin-' || n, '1.0.0', ${PACKAGE}, 'upload', true from generate_series(1, ${PLUGINS}::int) as n`.execute(
    db,
  );
  await sql`insert into plugin_subscriptions (plugin_name, pattern) select name, 'custom.*' from installed_plugins
    where name = 'plugin-1'`.execute(db);
}

/** Rows a second of a table with one index, one commit each, and of events with one delivery. */
async function measureWrites(): Promise<void> {
  await sql`create table plain (id uuid primary key, data jsonb not null)`.execute(db);
  const plain = await rate('plain rows, one commit each', () =>
    sql`insert into plain values (${Bun.randomUUIDv7()}, '{"n": 1}')`.execute(db),
  );
  const events = await rate('events with one delivery, one commit each', () =>
    publish(db, { name: 'custom.tested', data: { n: 1 } }),
  );
  console.log(`  ${(events / plain).toFixed(2)} of plain rows`);
}

/** Deliveries a second of one dispatcher whose handlers do nothing, and their log. */
async function measureDeliveries(): Promise<void> {
  await sql`truncate events, deliveries`.execute(db);
  let before = await wal();
  const emitter = new Emitter({ db, log, poke: () => {} });
  await Promise.all(Array.from({ length: EVENTS }, (_, n) => emitter.emit({ name: 'custom.tested', data: { n } })));
  console.log(
    `WAL of an event with one delivery, gathered as plugins' events are: ${perEvent((await wal()) - before)} bytes`,
  );
  before = await wal();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let done = 0;
  const dispatcher = createDispatcher({
    ...{ log, store: createSqlDeliveryStore(db) },
    sink: { ready: () => true, deliver: async () => {} },
    metrics: {
      delivered: () => {
        if (++done === EVENTS) resolve();
      },
      failed: () => {},
    },
  });
  const began = performance.now();
  await dispatcher.start();
  await all;
  console.log(`deliveries of one core to one plugin: ${perSecond(EVENTS, began)} a second`);
  await dispatcher.stop();
  console.log(`WAL of a claim and its record: ${perEvent((await wal()) - before)} bytes`);
}

/** Ticks a second that are claimed and ended, each writer with a job of its own. */
async function measureTicks(): Promise<void> {
  const store = createSqlTickStore({ db, owner: Bun.randomUUIDv7() });
  const options = { when: { everyMs: 1_000 }, overlap: 'allow', catchUp: 'none', jitterMs: 0, retries: 0 } as const;
  const jobs = Array.from({ length: WRITERS }, (_, n) => ({ name: `job-${n}`, ...options }));
  await store.sync('plugin-1', PACKAGE, { jobs, removed: [] });
  await sql`update plugin_jobs set ticked_at = 'epoch'`.execute(db);
  let calls = 0;
  await rate('ticks claimed and ended', async () => {
    const job = jobs[calls++ % WRITERS] as (typeof jobs)[number];
    const key = { plugin: 'plugin-1', name: job.name, digest: PACKAGE, fingerprint: fingerprintOf(job) };
    const answer = await store.claimTick(key, { tick: calls * 1_000, dueAt: calls * 1_000, skip: null });
    if (answer.kind === 'run')
      await store.finish(answer.run, { state: 'ok', error: null, place: null, log: [], again: false });
    else if (answer.kind !== 'taken') throw new Error(`a tick was ${answer.kind}`);
  });
}

/** What a core with nothing to do asks every few seconds. */
async function measureIdle(): Promise<void> {
  const store = createSqlDeliveryStore(db);
  const jobs = createSqlTickStore({ db, owner: Bun.randomUUIDv7() });
  const names = Array.from({ length: PLUGINS }, (_, n) => `plugin-${n + 1}`);
  for (const [what, ask] of [
    [`who of ${PLUGINS} plugins has something due`, () => store.nextDue()],
    [`jobs of ${PLUGINS} plugins`, () => jobs.look(names)],
    [`revisions of ${PLUGINS} plugins`, () => sql`select name, revision from installed_plugins`.execute(db)],
  ] as const) {
    const began = performance.now();
    for (let n = 0; n < 200; n++) await ask();
    console.log(`${what}: ${((performance.now() - began) / 200).toFixed(2)} ms`);
  }
}

/** Commits a second that notify, as the listeners become more. */
async function measureNotify(): Promise<void> {
  const listeners: pg.Client[] = [];
  let heard = 0;
  for (const count of [0, 1, 10, 60]) {
    while (listeners.length < count) {
      const { socketDir: host, port, user, password, database } = address;
      const client = new pg.Client({ host, port, user, password, database });
      await client.connect();
      client.on('notification', () => heard++);
      await client.query(`listen ${DELIVERIES_CHANNEL}`);
      listeners.push(client);
    }
    heard = 0;
    await rate(`commits that notify ${count} listeners`, () =>
      sql`with row as (insert into plain values (${Bun.randomUUIDv7()}, '1') returning 1)
        select pg_notify(${DELIVERIES_CHANNEL}, 'plugin-1') from row`.execute(db),
    );
    if (count > 0) console.log(`  heard ${heard} in all`);
  }
  for (const client of listeners) await client.end();
}

/** Memory of the server's processes, shared pages counted once (Linux, and only who may read /proc of another). */
async function measureConnections(): Promise<void> {
  const { rows } = await sql<{ pid: number }>`
    select pid from pg_stat_activity where backend_type = 'client backend' and application_name = 'streamspace'`.execute(
    db,
  );
  const sizes: number[] = [];
  for (const { pid } of rows) {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    const own = /^Private_Dirty:\s+(\d+)/m.exec(text)?.[1];
    if (own !== undefined) sizes.push(Number(own) / 1024);
  }
  const mean = sizes.reduce((sum, mib) => sum + mib, 0) / Math.max(1, sizes.length);
  console.log(`memory of its own of a connection that has worked: ${mean.toFixed(1)} MiB (of ${sizes.length})`);
}

async function rate(what: string, work: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + SECONDS * 1_000;
  const began = performance.now();
  let done = 0;
  const writer = async (): Promise<void> => {
    while (performance.now() < end) {
      await work();
      done++;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  console.log(`${what}: ${perSecond(done, began)} a second on ${WRITERS} connections`);
  return done;
}

async function wal(): Promise<number> {
  return Number((await one<{ n: string }>(sql`select pg_current_wal_lsn() - '0/0'::pg_lsn as n`)).n);
}

async function one<Row>(query: ReturnType<typeof sql<Row>>): Promise<Row> {
  const { rows } = await query.execute(db);
  if (rows[0] === undefined) throw new Error('no row');
  return rows[0];
}

function perSecond(count: number, began: number): string {
  return ((count * 1_000) / (performance.now() - began)).toFixed(0);
}

function perEvent(bytes: number): string {
  return (bytes / EVENTS).toFixed(0);
}
