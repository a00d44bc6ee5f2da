import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostFiles } from './files.ts';
import {
  HOST_UID,
  type HostFiles,
  LIBRARIES,
  LOCKS_BEST_FIRST,
  type Locks,
  NO_LOCKS,
  planLockdown,
} from './lockdown-plan.ts';
import { privateFile } from './path-access.ts';
import { filterArchitecture, HOST_RULES, seccompProgram } from './seccomp.ts';

/** How the isolate host is locked in, best first; each includes what the ones after it do. */
export const LAYERS = ['bubblewrap', 'namespaces', 'permission'] as const;
export type Layer = (typeof LAYERS)[number];

export interface LayerReport extends Locks {
  readonly layer: Layer;
  readonly available: boolean;
  /** Why it is not available, or what it does. */
  readonly detail: string;
}

/** How to start a confined program. Dispose of it when the program has been started. */
export interface Confined extends Disposable {
  readonly command: string[];
  /** What the command reads and closes before the program starts: its descriptors from 4 on. */
  readonly descriptors: readonly number[];
}

const LOCKDOWN = join(import.meta.dir, 'lockdown.ts');
/** The first descriptor after those that the host itself gets. */
const FIRST_FREE_DESCRIPTOR = 4;
const isRoot = process.getuid?.() === 0;
const architecture = filterArchitecture();

let reports: readonly LayerReport[] | null = null;

/** Looks what this machine has, once. Each layer is tried by running the host's Node in it. */
export function detectLayers(): readonly LayerReport[] {
  reports ??= LAYERS.map((layer) => (process.platform === 'linux' ? detect(layer) : elsewhere(layer)));
  return reports;
}

/**
 * The command that runs the host's Node inside a layer.
 *
 * @param locks those that the layer has on this machine, if it is not to be fewer
 */
export function confine(
  layer: Layer,
  files: HostFiles,
  nodeFlags: readonly string[],
  locks: Locks = locksOf(layer),
): Confined {
  return confineWith(layer, locks, files, [...nodeFlags, files.entry]);
}

function locksOf(layer: Layer): Locks {
  return detectLayers().find((report) => report.layer === layer) ?? NO_LOCKS;
}

/** From the most to the least; the first that works is taken. */
const CANDIDATES: Readonly<Record<Layer, readonly Locks[]>> = {
  bubblewrap: [
    { seccomp: true, files: true },
    { seccomp: false, files: true },
  ],
  namespaces: LOCKS_BEST_FIRST,
  permission: LOCKS_BEST_FIRST,
};
const TOOLS: Readonly<Record<Layer, readonly [program: string, advice: string] | null>> = {
  bubblewrap: ['bwrap', 'install it, for example with `apt-get install bubblewrap`'],
  namespaces: ['unshare', 'install util-linux; as a user, allow unprivileged user namespaces'],
  permission: null,
};

function detect(layer: Layer): LayerReport {
  const [program, advice] = TOOLS[layer] ?? ['node', ''];
  const failed = (why: string): LayerReport => ({ layer, available: false, ...NO_LOCKS, detail: `${why}: ${advice}` });
  if (TOOLS[layer] !== null && Bun.which(program) === null) return failed(`${program} is not there`);
  let said = '';
  for (const locks of CANDIDATES[layer]) {
    if (locks.seccomp && architecture === null) continue;
    const problem = tryOut(layer, locks);
    if (problem === null) return { layer, available: true, ...locks, detail: describeLocks(layer, locks) };
    said ||= problem;
  }
  // Without any lock it is Node alone, which needs nothing.
  if (layer === 'permission')
    return { layer, available: true, ...NO_LOCKS, detail: describeLocks(layer, NO_LOCKS, said) };
  return failed(`${program} does not work here (${said})`);
}

function elsewhere(layer: Layer): LayerReport {
  const available = layer === 'permission';
  const why = 'Linux only; run the core in a container for more than the permission model';
  return { layer, available, ...NO_LOCKS, detail: available ? describeLocks(layer, NO_LOCKS) : why };
}

/** Null when Node starts there, else what was said. */
function tryOut(layer: Layer, locks: Locks): string | null {
  using confined = confineWith(layer, locks, hostFiles(), ['--version']);
  const trial = Bun.spawnSync(confined.command, {
    env: {},
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe', 'ignore', ...confined.descriptors],
  });
  if (trial.exitCode === 0) return null;
  return (trial.stderr?.toString() ?? '').trim().split('\n')[0] || `it ends with ${trial.signalCode ?? trial.exitCode}`;
}

const ADDS: Readonly<Record<Layer, string>> = {
  bubblewrap: 'namespaces of its own for everything, read-only code, no capabilities, an unused uid',
  namespaces: 'no network, no capabilities, no new privileges',
  permission: "Node's permission model, an empty environment",
};

/** A layer with its locks, in words. @param problem why there is no filter, if that is known */
export function describeLocks(layer: Layer, { seccomp, files }: Locks, problem = ''): string {
  const parts = [ADDS[layer], seccomp ? 'a seccomp filter' : `no seccomp filter${problem && ` (${problem})`}`];
  if (layer !== 'bubblewrap') parts.push(files ? 'Landlock' : 'no Landlock: what the account may read is readable');
  return parts.join(', ');
}

function confineWith(layer: Layer, locks: Locks, files: HostFiles, words: readonly string[]): Confined {
  const nothing = { descriptors: [], [Symbol.dispose]: () => undefined };
  const node = [files.node, ...words];
  switch (layer) {
    case 'bubblewrap': {
      const filter =
        locks.seccomp && architecture !== null
          ? privateFile(tmpdir(), seccompProgram(architecture, HOST_RULES, AS_PID))
          : null;
      const flags = filter === null ? [] : ['--seccomp', String(FIRST_FREE_DESCRIPTOR)];
      const command = [...limits(), tool('bwrap'), ...BWRAP_FLAGS, ...flags, ...binds(files), '--', ...node];
      if (filter === null) return { command, ...nothing };
      return { command, descriptors: [filter.descriptor], [Symbol.dispose]: filter.close };
    }
    case 'namespaces': {
      const unshare = [tool('unshare'), ...(isRoot ? [] : ['--user', '--map-current-user']), '--net', '--ipc', '--uts'];
      return { command: [...unshare, ...lockedDown(locks, files, words)], ...nothing };
    }
    case 'permission': {
      if (!locks.seccomp && !locks.files) return { command: [...limits(), ...node], ...nothing };
      return { command: lockedDown(locks, files, words), ...nothing };
    }
  }
}

/** What the host is in its namespace of processes: `--as-pid-1`. */
const AS_PID = 1;
const BWRAP_FLAGS = [
  '--unshare-all',
  '--die-with-parent',
  '--new-session',
  ...['--cap-drop', 'ALL'],
  '--as-pid-1',
  '--clearenv',
  ...['--uid', String(HOST_UID)],
  ...['--gid', String(HOST_UID)],
  ...['--proc', '/proc'],
  ...['--dir', '/tmp'],
  ...['--chdir', '/'],
];

/** The file that says who runs has 64 bytes; a core dump would hold secrets. */
function limits(): string[] {
  const prlimit = Bun.which('prlimit');
  return prlimit === null ? [] : [prlimit, '--nofile=64', '--core=0', '--fsize=4096'];
}

/** By its path: the command has no PATH. */
function tool(name: string): string {
  return Bun.which(name) ?? name;
}

function binds(files: HostFiles): string[] {
  return [...LIBRARIES, files.node, ...files.readable]
    .filter((path) => existsSync(path))
    .flatMap((path) => ['--ro-bind', path, path]);
}

/** Bun itself, as the one that locks its process in and becomes Node: it is where the core is. */
function lockedDown(locks: Locks, files: HostFiles, words: readonly string[]): string[] {
  return [process.execPath, LOCKDOWN, JSON.stringify(planLockdown(locks, files, words))];
}
