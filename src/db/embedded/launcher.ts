import { readFileSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** A user of the system, by number. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

/** Starts programs as the user that PostgreSQL runs as. */
export interface Launcher {
  readonly user: ProcessUser;
  /** Whether the kernel itself ends a child when the core dies. */
  readonly endsWithParent: boolean;
  /** The command line, and the ids that the spawn itself has to switch to. */
  command(argv: readonly string[]): { readonly cmd: string[]; readonly ids: ProcessUser | null };
}

/** Environment of PostgreSQL's programs: nothing of the core's, messages in English. */
export const POSTGRES_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Decides as whom PostgreSQL runs: as the core's own user, but never as root, which it refuses: then as the owner of
 * its data folder, or `nobody` when there is none yet.
 *
 * @throws Error when the folder is another user's, or there is no user to run as
 */
export function postgresUser(dataFolder: string): ProcessUser {
  const uid = process.getuid?.() ?? 0;
  const owner = statSync(dataFolder, { throwIfNoEntry: false });
  if (uid !== 0) {
    if (owner === undefined || owner.uid === uid) return { uid, gid: process.getgid?.() ?? uid };
    throw new Error(
      `${dataFolder} belongs to uid ${owner.uid}, and this is uid ${uid}: start as that user, or as root.`,
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const nobody = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (!nobody) {
    throw new Error(
      'PostgreSQL refuses to run as root, and there is no user "nobody" here: start as an ordinary user.',
    );
  }
  return { uid: Number(nobody[1]), gid: Number(nobody[2]) };
}

/**
 * Makes the launcher. `setpriv` (util-linux) is used where it is there: it drops all privileges, and has the kernel
 * send SIGINT (PostgreSQL's fast shutdown: open transactions roll back, data is flushed) when the core dies.
 *
 * @param paths what the user has to reach; when a folder above them is closed to others (a clone in /root), the user is
 *   let through by one capability: to search and read, or where root itself lacks that one, to pass file permissions
 * @throws Error that names the closed folder when there is no way through
 */
export function makeLauncher(user: ProcessUser, paths: readonly string[]): Launcher {
  const isRoot = process.getuid?.() === 0;
  const setpriv = findSetpriv();
  const closed = isRoot ? paths.map((path) => closedFolder(path, user)).find((folder) => folder !== null) : undefined;
  const capability = closed === undefined ? null : throughCapability();
  if (closed !== undefined && (setpriv === null || capability === null)) {
    throw new Error(
      `PostgreSQL runs as uid ${user.uid}, which cannot enter ${closed}. Allow it (chmod o+x ${closed}), ` +
        'start as an ordinary user, put DATA_DIR and the program elsewhere, or set DATABASE_URL.',
    );
  }
  if (setpriv === null)
    return { user, endsWithParent: false, command: (argv) => ({ cmd: [...argv], ids: isRoot ? user : null }) };
  const kept = capability === null ? '-all' : `-all,+${capability}`;
  const prefix = [setpriv, '--no-new-privs', '--pdeathsig=INT', `--inh-caps=${kept}`, `--ambient-caps=${kept}`];
  if (isRoot) prefix.push(`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups');
  return { user, endsWithParent: true, command: (argv) => ({ cmd: [...prefix, '--', ...argv], ids: null }) };
}

/** Path of a `setpriv` that knows the parent-death signal (busybox has one that does not); null when there is none. */
function findSetpriv(): string | null {
  const path = process.platform === 'linux' ? Bun.which('setpriv', { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' }) : null;
  if (path === null) return null;
  const help = Bun.spawnSync([path, '--help'], { env: POSTGRES_ENV, stdout: 'pipe', stderr: 'ignore' });
  return help.stdout.toString().includes('--pdeathsig') ? path : null;
}

/** The folder nearest to the root, at or above `path`, that the user may not enter; null when all are open. */
export function closedFolder(path: string, user: ProcessUser): string | null {
  const above = dirname(path);
  const closed = above === path ? null : closedFolder(above, user);
  if (closed !== null) return closed;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() && !mayEnter(stat, user) ? path : null;
}

function mayEnter(stat: Stats, { uid, gid }: ProcessUser): boolean {
  const bit = stat.uid === uid ? 0o100 : stat.gid === gid ? 0o010 : 0o001;
  return (stat.mode & bit) !== 0;
}

/** The least capability of this process that lets another user enter closed folders. */
function throughCapability(): string | null {
  const held = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const has = (bit: bigint) => (BigInt(`0x${held}`) & (1n << bit)) !== 0n;
  // Numbers of linux/capability.h.
  return has(2n) ? 'dac_read_search' : has(1n) ? 'dac_override' : null;
}
