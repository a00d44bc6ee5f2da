import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import type { DbSocket } from './client.ts';
import { findBinaries } from './embedded/binaries.ts';
import { prepareCluster, SUPERUSER } from './embedded/cluster.ts';
import { guardOver } from './embedded/guard.ts';
import { type Launcher, makeLauncher, POSTGRES_ENV, postgresUser } from './embedded/launcher.ts';
import { endLeftovers, killAllOn, readPidFile } from './embedded/leftovers.ts';
import { ServerLog } from './embedded/server-log.ts';
import { makeSocketDir, SOCKET_PORT } from './embedded/socket-dir.ts';

const START_MS = 60_000;
const STOP_MS = 5_000;
const POLL_MS = 5;
const LAST_WORDS_MS = 500;

export interface EmbeddedOptions {
  /** The server keeps all it has in `postgres` below. */
  readonly dataDir: string;
  readonly log: Log;
  /** False: no waiting for the disk, for data that is thrown away. */
  readonly durable?: boolean;
  /** Settings of postgresql.conf beyond, or in place of, ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Embedded {
  /** As its superuser. */
  readonly address: DbSocket;
  readonly pid: number;
  /** Settles when the server has ended, wanted or not. */
  readonly exited: Promise<void>;
  /** Fast shutdown: open transactions roll back; killed after `withinMs` (5 s). Later calls wait for the first. */
  stop(withinMs?: number): Promise<void>;
}

/**
 * Starts the PostgreSQL that comes with the program, on a unix socket only, and waits until it answers. What an earlier
 * core left running there is ended first, so only who holds the lock on the data folder (`lockDataDir`) may call it.
 * The server ends when this process does, however that ends.
 *
 * @throws Error with the server's last messages when it does not come up
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log, durable = true } = options;
  const begun = performance.now();
  const binaries = findBinaries();
  // The server's user needs to pass through here, but not to see what is inside.
  mkdirSync(join(options.dataDir, 'postgres'), { recursive: true, mode: 0o711 });
  // Without links: /proc shows it this way.
  const root = realpathSync(join(options.dataDir, 'postgres'));
  const data = join(root, 'data');
  const user = postgresUser(data);
  const launcher = makeLauncher(user, [root, binaries.postgres]);
  const password = await prepareCluster({ root, binaries, launcher, durable, log });
  const socketDir = makeSocketDir(root, user);
  await endLeftovers(data, socketDir, log);

  const settings = { ...SETTINGS, ...(durable ? {} : NOT_DURABLE), ...options.settings };
  const argv = [binaries.postgres, '-D', data, '-c', `unix_socket_directories="${socketDir.replaceAll('"', '""')}"`];
  for (const [name, value] of Object.entries(settings)) argv.push('-c', `${name}=${value}`);
  const server = launch(launcher, argv, log);
  await untilReady(server, data);
  log.info({ pid: server.pid, folder: data, ms: Math.round(performance.now() - begun) }, 'PostgreSQL is up');
  return {
    address: { socketDir, port: SOCKET_PORT, user: SUPERUSER, password, database: 'postgres' },
    pid: server.pid,
    exited: server.exited,
    stop: (withinMs = STOP_MS) => server.stop(data, withinMs),
  };
}

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  port: String(SOCKET_PORT),
  unix_socket_permissions: '0700',
  // 20 of the core's pool, 40 of plugins (src/databases/limits.ts), a few for sessions; one costs a few KB until it is open.
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '',
  // A failing statement is for who sent it; the log would show its values.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_statement: 'none',
  log_checkpoints: 'off',
  // Of one process at a time; a sort or join of a plugin that spills more fails instead of filling the disk.
  temp_file_limit: '512MB',
  // Helpers of parallel queries, which a plugin may ask for: each has the memory that a connection may have.
  max_worker_processes: '2',
  // All share 100 times that: a plugin takes 60,000 a second, and is looked at twice a second.
  max_locks_per_transaction: '512',
};
/** KiB of memory of its own that a process of the server gets, whatever `work_mem` a plugin sets: then it says so (53200). */
const MEMORY_KIB = 512 * 1_024;

const NOT_DURABLE: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

interface Server {
  readonly pid: number;
  readonly exited: Promise<void>;
  /** Its last messages, once it has ended. */
  lastMessages(): Promise<string>;
  stop(data: string, withinMs: number): Promise<void>;
}

/** Starts the server in a session of its own, so that Ctrl-C reaches the core alone, which stops it in its turn. */
function launch(launcher: Launcher, argv: readonly string[], log: Log): Server {
  // RLIMIT_DATA: private memory alone counts, so not shared_buffers. Where a shell has it; macOS knows none.
  const limited = ['/bin/sh', '-c', 'ulimit -d "$0" 2>/dev/null; exec "$@"', String(MEMORY_KIB), ...argv];
  const { cmd, ids } = launcher.command(limited);
  const messages = new ServerLog(log);
  const child = Bun.spawn(cmd, {
    ...ids,
    cwd: '/',
    env: POSTGRES_ENV,
    detached: true,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  child.unref();
  const guard = launcher.endsWithParent ? null : guardOver(child.pid);
  let stopping: Promise<void> | null = null;
  // Not part of the end: a child of the server that hangs keeps the stream open.
  const heard = messages.read(child.stderr);
  const exited = child.exited.then((code) => {
    guard?.dismiss();
    if (stopping === null) log.error({ code, signal: child.signalCode }, 'PostgreSQL has ended unexpectedly');
  });
  const end = async (data: string, withinMs: number) => {
    child.kill('SIGINT');
    const late = setTimeout(() => {
      log.warn({ pid: child.pid }, 'PostgreSQL does not stop: killing it');
      child.kill('SIGKILL');
    }, withinMs);
    await exited;
    clearTimeout(late);
    await killAllOn(data);
  };
  const stop = (data: string, withinMs: number) => {
    stopping ??= end(data, withinMs);
    return stopping;
  };
  const lastMessages = async () => {
    await Promise.race([heard, Bun.sleep(LAST_WORDS_MS)]);
    return messages.last;
  };
  return { pid: child.pid, exited, lastMessages, stop };
}

async function untilReady(server: Server, data: string): Promise<void> {
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  const end = performance.now() + START_MS;
  while (!ended && performance.now() < end) {
    const lines = readPidFile(data);
    // Line 8 is the state that pg_ctl waits for too.
    if (lines?.[0] === String(server.pid) && lines[7]?.trim() === 'ready') return;
    await Bun.sleep(POLL_MS);
  }
  const reason = ended ? 'ended while it started' : `was not ready within ${START_MS / 1000} s`;
  await server.stop(data, STOP_MS);
  throw new Error(`PostgreSQL ${reason}: ${await server.lastMessages()}`);
}
