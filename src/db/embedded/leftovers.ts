import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Log } from '../../log.ts';

const STOP_MS = 5_000;
const POLL_MS = 5;

/**
 * Ends what a killed core left on a data folder: a postmaster that still runs is shut down (killed after 5 s), its
 * orphaned children are killed, and pid and lock files of the dead are removed, so that a number that the system has
 * given to another process since then stops nothing. Only for who holds the lock on the data folder.
 */
export async function endLeftovers(data: string, socketDir: string, log: Log): Promise<void> {
  const pid = recordedPid(data);
  if (pid !== null && isPostgresOn(pid, data)) {
    log.warn({ pid }, 'a PostgreSQL of an earlier run is still there: stopping it');
    signal(pid, 'SIGINT');
    if (!(await endedWithin(() => isPostgresOn(pid, data), STOP_MS))) signal(pid, 'SIGKILL');
  }
  await killAllOn(data);
  rmSync(join(data, 'postmaster.pid'), { force: true });
  for (const name of readdirSync(socketDir)) {
    if (name.startsWith('.s.PGSQL.')) rmSync(join(socketDir, name), { force: true });
  }
}

/** Kills each PostgreSQL process that works in the data folder, and waits until they are gone (Linux; else nothing). */
export async function killAllOn(data: string): Promise<void> {
  for (const pid of processesOn(data)) signal(pid, 'SIGKILL');
  if (!(await endedWithin(() => processesOn(data).length > 0, STOP_MS))) {
    throw new Error(`PostgreSQL processes on ${data} cannot be ended: ${processesOn(data).join(', ')}`);
  }
}

/** The pid in `postmaster.pid`, or null. */
function recordedPid(data: string): number | null {
  const line = readPidFile(data)?.[0] ?? '';
  return /^\d+$/.test(line) ? Number(line) : null;
}

/** Lines of `postmaster.pid`: 1 the pid, 8 the state; null when there is none. */
export function readPidFile(data: string): string[] | null {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Whether this number is now a postmaster on this folder, and no other process that got the number later. */
function isPostgresOn(pid: number, data: string): boolean {
  if (process.platform === 'linux') {
    const argv = readOrEmpty(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return basename(argv[0] ?? '') === 'postgres' && argv.includes(data);
  }
  const listed = Bun.spawnSync(['/bin/ps', '-o', 'command=', '-p', String(pid)], { stdout: 'pipe', stderr: 'ignore' });
  const command = listed.stdout.toString();
  return command.includes('postgres') && command.includes(` -D ${data} `);
}

/** All PostgreSQL processes whose working folder it is: each of them works there from its first moment on. */
function processesOn(data: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => readOrEmpty(() => readlinkSync(`/proc/${name}/cwd`)) === data)
    .filter((name) => basename(readOrEmpty(() => readlinkSync(`/proc/${name}/exe`))) === 'postgres')
    .map(Number);
}

/** What /proc says, or nothing when the process has ended or is another user's. */
function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM' || code === 'ESRCH') return '';
    throw error;
  }
}

function signal(pid: number, name: 'SIGINT' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function endedWithin(isThere: () => boolean, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (isThere()) {
    if (performance.now() > end) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}
