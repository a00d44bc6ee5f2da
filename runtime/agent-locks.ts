import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostFiles, LOCKS_BEST_FIRST, type Locks, NO_LOCKS, planLockdown } from '../src/host/lockdown-plan.ts';
import { filterArchitecture } from '../src/host/seccomp.ts';

const HERE = import.meta.dirname;
const LAUNCHER = fileURLToPath(new URL('./agent-lockdown.ts', import.meta.url));
/** For a Node that is slow to start on a cold disk. */
const TRIAL_MS = 10_000;

/** Locks that work here, and why there are no more. */
export interface LocksHere extends Locks {
  readonly problem: string;
}

/** Where the code of a host is in this container; its Node is this one. */
export function agentFiles(): HostFiles {
  const require = createRequire(import.meta.url);
  const folderOf = (name: string) => dirname(require.resolve(`${name}/package.json`));
  return {
    node: process.execPath,
    entry: join(HERE, 'main.ts'),
    readable: [
      HERE,
      join(HERE, '..', 'package.json'),
      folderOf('isolated-vm'),
      folderOf('node-gyp-build'),
      '/etc/alpine-release',
    ],
  };
}

/** The command that starts Node with these words under these locks. */
export function lockedCommand(locks: Locks, files: HostFiles, words: readonly string[]): string[] {
  if (!locks.seccomp && !locks.files) return [files.node, ...words];
  return [files.node, '--no-warnings', LAUNCHER, JSON.stringify(planLockdown(locks, files, words))];
}

/** Finds out, by starting Node under them: a container may allow less than its kernel can. */
export function tryLocks(files: HostFiles): LocksHere {
  let problem = '';
  for (const locks of LOCKS_BEST_FIRST) {
    if (locks === NO_LOCKS || (locks.seccomp && filterArchitecture() === null)) continue;
    const [program = '', ...words] = lockedCommand(locks, files, ['--version']);
    const trial = spawnSync(program, words, {
      env: {},
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe', 'ignore'],
      timeout: TRIAL_MS,
    });
    if (trial.status === 0) return { ...locks, problem };
    const said = trial.stderr?.toString().trim().split('\n')[0] ?? '';
    problem ||= (said || `it ends with ${trial.signal ?? trial.status}`).slice(0, 300);
  }
  return { ...NO_LOCKS, problem: problem || 'there is no filter for this machine' };
}
