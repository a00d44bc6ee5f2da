import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';

// Processes are started here; on a busy machine that takes its time.
setDefaultTimeout(60_000);

const log = createLog('silent');
const temporary = () => realpathSync(mkdtempSync(join(tmpdir(), 'streamspace-embedded-')));
/** Most tests work on one cluster: to make it takes longer than all else. */
const dataDir = temporary();
const running: Embedded[] = [];

beforeAll(async () => {
  await (await start()).stop();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function start(folder = dataDir): Promise<Embedded> {
  const server = await startEmbedded({ dataDir: folder, log, durable: false });
  running.push(server);
  return server;
}

async function ask(server: Embedded, statement: string, address = server.address) {
  const sql = createSql({ address, max: 1, log });
  try {
    return await sql.query(statement);
  } finally {
    await sql.end();
  }
}

describe('startEmbedded', () => {
  test('runs PostgreSQL 18 in UTF-8, on a unix socket only, with a password', async () => {
    const server = await start();
    const [facts] = await ask(
      server,
      `select current_setting('server_version_num')::int / 10000 as major, current_setting('listen_addresses') as tcp,
        current_setting('server_encoding') as encoding, upper('ärger') as upper, current_setting('TimeZone') as zone,
        (select count(*) from pg_hba_file_rules where auth_method not in ('scram-sha-256', 'reject')) as lax`,
    );
    expect(facts).toEqual({ major: 18, tcp: '', encoding: 'UTF8', upper: 'ÄRGER', zone: 'UTC', lax: 0 });
    await expect(ask(server, 'select 1', { ...server.address, password: 'guess' })).rejects.toMatchObject({
      code: '28P01',
    });
  });

  test('keeps others out: modes of socket folder, data and password', async () => {
    const { address } = await start();
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(address.socketDir)).toBe('700');
    expect(mode(join(dataDir, 'postgres/data'))).toBe('700');
    expect(mode(join(dataDir, 'postgres/password'))).toBe('600');
    expect(readdirSync(join(dataDir, 'postgres')).sort()).toEqual(['data', 'password', 'run']);
  });

  test('never runs as root, also below folders that are closed to its user', async () => {
    for (const mode of [0o700, 0o755]) {
      chmodSync(dataDir, mode);
      const server = await start();
      expect(statSync(`/proc/${server.pid}`).uid).not.toBe(0);
      await server.stop();
    }
  });

  test('stops at once, with sessions open, and starts again on what is there', async () => {
    const first = await start();
    await ask(first, `create table kept as select 42 as n`);
    const sql = createSql({ address: first.address, max: 2, log });
    const busy = sql.query('select pg_sleep(60)').then(
      () => 'slept',
      () => 'cut off',
    );
    const sleeping = "select 1 from pg_stat_activity where wait_event = 'PgSleep'";
    while ((await sql.query(sleeping)).length === 0) await Bun.sleep(1);
    const before = performance.now();
    await Promise.all([first.stop(), first.stop()]);
    expect(performance.now() - before).toBeLessThan(4_000);
    expect(await busy).toBe('cut off');
    await sql.end();

    const second = await start();
    expect(await ask(second, 'select n from kept')).toEqual([{ n: 42 }]);
    expect(second.address.password).toBe(first.address.password);
  });

  test('kills a server that does not stop in time', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGSTOP');
    await server.stop(50);
    expect(existsSync(`/proc/${server.pid}/exe`)).toBe(false);
    const again = await start();
    expect(await ask(again, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('says that the server has ended when it was not asked to', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGQUIT');
    await server.exited;
    expect(existsSync(`/proc/${server.pid}/exe`)).toBe(false);
  });

  test('works where the path is too long for a socket', async () => {
    const folder = temporary();
    const server = await start(join(folder, 'd'.repeat(60), 'e'.repeat(60)));
    expect(server.address.socketDir).toStartWith(join(tmpdir(), 'streamspace-'));
    expect(await ask(server, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
    rmSync(server.address.socketDir, { recursive: true });
    rmSync(folder, { recursive: true });
  });

  test('begins anew after a crash while the data folder was made', async () => {
    const folder = temporary();
    const root = join(folder, 'postgres');
    mkdirSync(join(root, 'init-crashed/data/base'), { recursive: true });
    await (await start(folder)).stop();
    expect(readdirSync(root).sort()).toEqual(['data', 'password', 'run']);
    rmSync(folder, { recursive: true });
  });

  test('refuses data of another major version, or none, or whose password is lost', async () => {
    const version = join(dataDir, 'postgres/data/PG_VERSION');
    const password = join(dataDir, 'postgres/password');
    const refusedWithout = async (path: string, reason: RegExp) => {
      renameSync(path, `${path}.away`);
      await expect(start()).rejects.toThrow(reason);
      renameSync(`${path}.away`, path);
    };
    await refusedWithout(version, /no PostgreSQL data folder/);
    await refusedWithout(password, /password is missing/);
    const right = readFileSync(version);
    writeFileSync(version, '17\n');
    await expect(start()).rejects.toThrow(/made by PostgreSQL 17, and this is 18: .*pg_dumpall/);
    writeFileSync(version, right);
    await start();
  });

  test('gives the reason when the server does not come up', async () => {
    const settings = { shared_buffers: 'plenty' };
    await expect(startEmbedded({ dataDir, log, settings })).rejects.toThrow(
      /ended while it started: .*shared_buffers.*plenty/s,
    );
  });
});
