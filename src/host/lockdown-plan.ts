import type { Lockdown } from './lock-in.ts';
import { isOpenToAll } from './path-access.ts';

/**
 * The host's own uid and gid when the one that starts it is root: nobody's account, and not the one of the embedded
 * Postgres, whose files and process it must not reach.
 */
export const HOST_UID = 64_533;
export const LIBRARIES = ['/usr/lib', '/usr/lib64', '/lib', '/lib64'];

/** Paths that the host may read: its code and nothing else. */
export interface HostFiles {
  readonly node: string;
  readonly entry: string;
  readonly readable: readonly string[];
}

/** What is added to Node's own permission model. */
export interface Locks {
  /** A filter on system calls: no sockets, no signals, no other processes, no changes to files. */
  readonly seccomp: boolean;
  /** Nothing but the code can be read: by a mount namespace, or by Landlock. */
  readonly files: boolean;
}

/** Node's permission model alone, as on other systems than Linux. */
export const NO_LOCKS: Locks = { seccomp: false, files: false };

/** From the most to the least; the first that works is taken. */
export const LOCKS_BEST_FIRST: readonly Locks[] = [
  { seccomp: true, files: true },
  { seccomp: true, files: false },
  { seccomp: false, files: true },
  NO_LOCKS,
];

/** How this process has a host locked in that it starts. @param words what Node gets, the entry included */
export function planLockdown(locks: Locks, files: HostFiles, words: readonly string[]): Lockdown {
  const isRoot = process.getuid?.() === 0;
  const closed = isRoot && ![files.node, files.entry].every(isOpenToAll);
  return {
    // OpenSSL takes its settings from where it was built, and a refusal for an error.
    command: [files.node, '--openssl-config=/dev/null', ...words],
    parent: process.pid,
    // Only what is bound by Landlock may pass closed folders.
    uid: isRoot && !(closed && !locks.files) ? HOST_UID : null,
    through: closed,
    seccomp: locks.seccomp,
    readable: locks.files ? [...LIBRARIES, '/dev/null', files.node, ...files.readable] : null,
  };
}

/** What the host's Node is started with, before its entry. */
export function hostFlags(files: HostFiles): string[] {
  return [
    '--no-node-snapshot',
    // An isolate that is entered for moments never takes over what V8 optimised on other threads.
    '--no-concurrent-recompilation',
    '--expose-gc',
    '--permission',
    '--allow-addons',
    // For one mapping of memory; the host gives it up at once (runtime/isolate/shared-memory.ts).
    '--allow-ffi',
    ...files.readable.map((path) => `--allow-fs-read=${path}`),
    '--disable-warning=PERM0001',
    '--disable-warning=PERM0003',
    '--disable-warning=ExperimentalWarning',
  ];
}
