import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardOver } from '../../src/db/embedded/guard.ts';
import { postgresUser } from '../../src/db/embedded/launcher.ts';
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { commandOf, eventually, firstLine, postmastersOn } from './processes.ts';

// Processes are started here; on a busy machine that takes its time.
setDefaultTimeout(60_000);

const log = createLog('silent');
const dataDir = realpathSync(mkdtempSync(join(tmpdir(), 'streamspace-crash-')));
const data = join(dataDir, 'postgres/data');
const running: Embedded[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  expect(postmastersOn(data)).toEqual([]);
});

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function start(): Promise<Embedded> {
  const server = await startEmbedded({ dataDir, log });
  running.push(server);
  return server;
}

/** Starts a core on the folder, and kills it once it has written a row; gives the pid of its PostgreSQL. */
async function killedCore(): Promise<number> {
  const script = join(import.meta.dir, 'core-script.ts');
  const core = Bun.spawn([process.execPath, script, dataDir], { stdout: 'pipe', stderr: 'inherit' });
  const pid = Number(await firstLine(core.stdout));
  expect(postmastersOn(data)).toEqual([pid]);
  core.kill('SIGKILL');
  await core.exited;
  return pid;
}

async function words(server: Embedded): Promise<unknown[]> {
  const sql = createSql({ address: server.address, max: 1, log });
  try {
    return await sql.query('select word from kept');
  } finally {
    await sql.end();
  }
}

describe('after SIGKILL of the core', () => {
  test('a new one has the data, and there is one server', async () => {
    await killedCore();
    const server = await start();
    expect(await words(server)).toEqual([{ word: 'still here' }]);
    expect(postmastersOn(data)).toEqual([server.pid]);
  });

  test('PostgreSQL ends by itself, cleanly', async () => {
    const pid = await killedCore();
    await eventually(() => commandOf(pid) === null && !existsSync(join(data, 'postmaster.pid')));
    expect(postmastersOn(data)).toEqual([]);
  });
});

describe('what an earlier run left', () => {
  test('a server that still runs is stopped first', async () => {
    const orphan = await start();
    const server = await start();
    expect(postmastersOn(data)).toEqual([server.pid]);
    expect(server.pid).not.toBe(orphan.pid);
  });

  test('a stopped (SIGSTOP) backend of a dead server does not keep the folder', async () => {
    const orphan = await start();
    const sql = createSql({ address: orphan.address, max: 1, log });
    const [backend] = await sql.query('select pg_backend_pid() as pid');
    process.kill(Number(backend?.pid), 'SIGSTOP');
    process.kill(orphan.pid, 'SIGKILL');
    await orphan.exited;
    const server = await start();
    expect(commandOf(Number(backend?.pid))).toBeNull();
    expect(postmastersOn(data)).toEqual([server.pid]);
    await sql.end();
  });

  test('a pid file whose number another process has now is no obstacle, and that process is left alone', async () => {
    await (await start()).stop();
    const { uid, gid } = postgresUser(data);
    const bystander = Bun.spawn(['/bin/sleep', '600'], { uid, gid, env: {}, cwd: '/' });
    try {
      const state = [bystander.pid, data, 1, 5432, join(dataDir, 'postgres/run'), '', '', 'ready   '];
      writeFileSync(join(data, 'postmaster.pid'), `${state.join('\n')}\n`);
      writeFileSync(join(dataDir, 'postgres/run/.s.PGSQL.5432.lock'), `${state.join('\n')}\n`);
      writeFileSync(join(dataDir, 'postgres/run/.s.PGSQL.5432'), '');
      const server = await start();
      expect(server.pid).not.toBe(bystander.pid);
      expect(bystander.exitCode).toBeNull();
      expect(bystander.signalCode).toBeNull();
    } finally {
      bystander.kill('SIGKILL');
    }
  });
});

test('without the kernel’s help a guard ends the server with its core', async () => {
  const target = Bun.spawn(['/bin/sleep', '600'], { env: {} });
  const module = join(import.meta.dir, '../../src/db/embedded/guard.ts');
  const code = `import { guardOver } from '${module}'; guardOver(${target.pid}); Bun.gc(true);
    console.log('ready'); setInterval(() => Bun.gc(true), 1);`;
  const core = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe' });
  await firstLine(core.stdout);
  expect(target.signalCode).toBeNull();
  core.kill('SIGKILL');
  await target.exited;
  expect(target.signalCode).toBe('SIGINT');
});

test('a guard that is dismissed does nothing', async () => {
  const target = Bun.spawn(['/bin/sh', '-c', 'trap "exit 7" INT; echo ready; read -r _; exit 0'], {
    env: { PATH: '/usr/bin:/bin' },
    stdin: 'pipe',
    stdout: 'pipe',
  });
  await firstLine(target.stdout);
  guardOver(target.pid).dismiss();
  await target.stdin.end();
  expect(await target.exited).toBe(0);
});
