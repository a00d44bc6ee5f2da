import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeDb, createDb, type Db, type DbAddress, type DbSocket } from '../../src/db/client.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createSql, type Sql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';

export interface TestDatabase {
  readonly db: Db;
  /** For what opens connections of its own. */
  readonly address: DbAddress;
  drop(): Promise<void>;
}

interface Server {
  readonly address: DbSocket;
  readonly admin: Sql;
  /** Held, because its end removes the folder. */
  readonly janitor: Bun.Subprocess<'pipe', 'ignore', 'ignore'>;
}

const TEMPLATE = 'migrated';
const log = createLog('warn');
// At import, which no test's time limit cuts short: that would end the server under the tests that follow.
const server = await startServer();
let count = 0;

/** A fresh, migrated database (about 60 ms) on one embedded PostgreSQL per test process, which ends with the process. */
export async function testDatabase(): Promise<TestDatabase> {
  return makeDatabase(TEMPLATE);
}

/** The same without any table, for tests of the migrations. */
export async function emptyDatabase(): Promise<TestDatabase> {
  return makeDatabase('template0');
}

/** The server of `testDatabase` as its superuser: to see what nobody else may. */
export function serverSql(): Sql {
  return server.admin;
}

async function makeDatabase(template: string): Promise<TestDatabase> {
  const { address: host, admin } = server;
  const database = `test_${++count}`;
  await admin.query(`create database ${database} template ${template}`);
  const address = { ...host, database };
  const db = createDb({ address, max: 8, log });
  const drop = async () => {
    await closeDb(db);
    await admin.query(`drop database if exists ${database} with (force)`);
  };
  return { db, address, drop };
}

async function startServer(): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'streamspace-test-'));
  const janitor = removeAfterwards(dataDir);
  const postgres = await startEmbedded({ dataDir, log, durable: false, settings: { max_connections: '200' } });
  const admin = createSql({ address: postgres.address, max: 1, log });
  await admin.query(`create database ${TEMPLATE}`);
  const address = { ...postgres.address, database: TEMPLATE };
  await migrate({ address, log });
  return { address: postgres.address, admin, janitor };
}

/**
 * PostgreSQL ends with this process, and takes its pid file away when it does; a shell that outlives this process for
 * that moment (10 s at most) then removes the folder.
 */
function removeAfterwards(folder: string): Server['janitor'] {
  const script = `read -r _; n=200
    while [ -e "$0/postgres/data/postmaster.pid" ] && [ $n -gt 0 ]; do sleep 0.05; n=$((n - 1)); done
    rm -rf -- "$0"`;
  const stdio = { stdin: 'pipe', stdout: 'ignore', stderr: 'ignore' } as const;
  const janitor = Bun.spawn(['/bin/sh', '-c', script, folder], { ...stdio, detached: true });
  janitor.unref();
  return janitor;
}
