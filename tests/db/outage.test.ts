import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { closeDb, createDb, type Db } from '../../src/db/client.ts';
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts';
import { createSql, type Sql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { eventually } from './processes.ts';

// Processes are started here; on a busy machine that takes its time.
setDefaultTimeout(60_000);

const log = createLog('silent');
const dataDir = mkdtempSync(join(tmpdir(), 'streamspace-outage-'));
let server: Embedded;
let db: Db;
let raw: Sql;

const start = () => startEmbedded({ dataDir, log, durable: false });

beforeEach(async () => {
  server = await start();
  db = createDb({ address: server.address, max: 3, log });
  raw = createSql({ address: server.address, max: 1, log });
});

afterEach(async () => {
  await raw.end();
  await closeDb(db);
  await server.stop();
});

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const answer = async () => (await sql<{ one: number }>`select 1 as one`.execute(db)).rows;

test('statements fail while the database is away, and work when it is back', async () => {
  await Promise.all([answer(), answer(), answer()]);
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  // Its children may answer for a moment more.
  const works = () =>
    answer().then(
      () => true,
      () => false,
    );
  while (await works());
  await expect(answer()).rejects.toThrow();
  server = await start();
  expect(await answer()).toEqual([{ one: 1 }]);
});

test('a transaction whose connection is lost fails, and the pool goes on', async () => {
  const lost = db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
    await raw.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
    // Caught on purpose: what comes after the first failure must be refused too, and end nothing else.
    await sql`select 1`.execute(trx).catch(() => undefined);
    await sql`select 2`.execute(trx);
  });
  await expect(lost).rejects.toThrow();
  expect(await Promise.all([answer(), answer(), answer()])).toEqual([[{ one: 1 }], [{ one: 1 }], [{ one: 1 }]]);
});

test('listening goes on after the connection was lost', async () => {
  const heard: string[] = [];
  let listening = 0;
  const count = () => void listening++;
  const { unlisten } = await raw.listen('it"s', (payload) => void heard.push(payload), count);
  await raw.notify('it"s', 'first');
  await eventually(() => heard.length === 1);
  await raw.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'");
  await eventually(() => listening === 2);
  await raw.notify('it"s', 'second');
  await eventually(() => heard.length === 2);
  expect(heard).toEqual(['first', 'second']);
  await unlisten();
  const left = await raw.query("select 1 from pg_stat_activity where query like 'listen%' and state is not null");
  expect(left.length).toBeLessThanOrEqual(1);
});

test('listening fails at once when the database is away', async () => {
  await server.stop();
  await expect(raw.listen('any', () => undefined)).rejects.toThrow();
  server = await start();
});
