import { accessSync, constants, existsSync } from 'node:fs';

/** How the isolate host is locked in, best first; each includes what the ones after it do. */
export const LAYERS = ['bubblewrap', 'namespaces', 'permission'] as const;
export type Layer = (typeof LAYERS)[number];

export interface LayerReport {
  readonly layer: Layer;
  readonly available: boolean;
  /** Why it is not available, or what it does. */
  readonly detail: string;
}

/**
 * The host's own uid and gid when the core is root: nobody's account, and not the one of the embedded Postgres, whose
 * files and process it must not reach.
 */
export const HOST_UID = 64_533;

/** Paths that the child may read: its code and nothing else. */
export interface HostFiles {
  readonly node: string;
  readonly entry: string;
  readonly readable: readonly string[];
}

const isRoot = process.getuid?.() === 0;

/** Looks what this machine has. Each layer is tried by running a command in it. */
export function detectLayers(): readonly LayerReport[] {
  if (process.platform !== 'linux') {
    const detail = 'Linux only; run the core in a container for more than the permission model';
    return [
      { layer: 'bubblewrap', available: false, detail },
      { layer: 'namespaces', available: false, detail },
      PERMISSION_REPORT,
    ];
  }
  return [
    tryLayer('bubblewrap', 'bwrap', 'install it, for example with `apt-get install bubblewrap`'),
    tryLayer('namespaces', 'setpriv', 'install util-linux; as a user, allow unprivileged user namespaces'),
    PERMISSION_REPORT,
  ];
}

const PERMISSION_REPORT: LayerReport = {
  layer: 'permission',
  available: true,
  detail: "Node's permission model and an empty environment; a bypass of either leaves the core's own rights",
};

const DONE: Readonly<Record<Layer, string>> = {
  bubblewrap: 'namespaces of its own for everything, read-only code, no capabilities, an unused uid',
  namespaces: 'no network, no capabilities, an unused uid, no new privileges; the file system is shared',
  permission: PERMISSION_REPORT.detail,
};

function tryLayer(layer: Layer, tool: string, advice: string): LayerReport {
  if (Bun.which(tool) === null) return { layer, available: false, detail: `${tool} is not there: ${advice}` };
  const trial = Bun.spawnSync(
    wrap(layer, { node: '/bin/true', entry: '', readable: [] }, []).filter((word) => word !== ''),
    { env: {}, stdout: 'ignore', stderr: 'pipe' },
  );
  if (trial.exitCode === 0) return { layer, available: true, detail: DONE[layer] };
  const said = trial.stderr.toString().trim().split('\n')[0] ?? '';
  return { layer, available: false, detail: `${tool} does not work here (${said}): ${advice}` };
}

/** The command that runs the host's Node inside a layer. */
export function wrap(layer: Layer, files: HostFiles, nodeFlags: readonly string[]): string[] {
  const node = [files.node, ...nodeFlags, files.entry];
  const limits = Bun.which('prlimit') === null ? [] : ['prlimit', '--nofile=64', '--core=0', '--fsize=0'];
  switch (layer) {
    case 'bubblewrap':
      return [...limits, 'bwrap', ...BWRAP_FLAGS, ...libraryBinds(), ...binds(files), '--', ...node];
    case 'namespaces':
      return isRoot
        ? [...limits, 'unshare', '--net', '--ipc', '--uts', ...SETPRIV_AS_ROOT, ...node]
        : [...limits, 'unshare', '--user', '--map-current-user', '--net', '--ipc', '--uts', ...SETPRIV, ...node];
    case 'permission':
      return [...limits, ...node];
  }
}

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
const SETPRIV = ['setpriv', '--no-new-privs', '--inh-caps=-all', '--pdeathsig=KILL'];
const SETPRIV_AS_ROOT = [
  'setpriv',
  `--reuid=${HOST_UID}`,
  `--regid=${HOST_UID}`,
  '--clear-groups',
  '--no-new-privs',
  '--bounding-set=-all',
  '--inh-caps=-all',
  '--pdeathsig=KILL',
];

function libraryBinds(): string[] {
  return ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/usr/bin/true', '/bin/true']
    .filter((path) => existsSync(path))
    .flatMap((path) => ['--ro-bind', path, path]);
}

function binds(files: HostFiles): string[] {
  return [files.node, ...files.readable]
    .filter((path) => path !== '/bin/true' && existsSync(path))
    .flatMap((path) => ['--ro-bind', path, path]);
}

/** Whether another uid can read a path: without it, only bubblewrap (which binds as us) can start the host from there. */
export function readableByOthers(path: string): boolean {
  if (!isRoot) return true;
  try {
    accessSync(path, constants.R_OK);
  } catch {
    return false;
  }
  return Bun.spawnSync(['setpriv', `--reuid=${HOST_UID}`, `--regid=${HOST_UID}`, '--clear-groups', 'test', '-r', path])
    .success;
}
