import { NODE_MODULES, SOCKETS_MODULE } from '../../runtime/protocol/node-modules.ts';

/** Modules of Node that a plugin does not have, with what there is instead. */
const MISSING: Readonly<Record<string, string | null>> = {
  child_process: null,
  cluster: null,
  console: 'the global console',
  constants: null,
  dgram: null,
  diagnostics_channel: null,
  dns: 'fetch or connect, which take names',
  'dns/promises': 'fetch or connect, which take names',
  domain: null,
  fs: 'the sandbox APIs files and storage',
  'fs/promises': 'the sandbox APIs files and storage',
  http: 'fetch',
  http2: 'fetch',
  https: 'fetch',
  inspector: null,
  'inspector/promises': null,
  module: null,
  net: `connect, which is also ${SOCKETS_MODULE}`,
  os: null,
  'path/win32': 'node:path/posix',
  perf_hooks: 'the global performance',
  readline: null,
  'readline/promises': null,
  repl: null,
  sea: null,
  sqlite: 'the sandbox APIs storage and database',
  'stream/consumers': 'Response, whose methods read a stream to its end',
  sys: 'node:util',
  test: null,
  'test/reporters': null,
  tls: `connect, which is also ${SOCKETS_MODULE}`,
  trace_events: null,
  tty: null,
  v8: null,
  vm: null,
  wasi: null,
  worker_threads: 'the global MessageChannel and structuredClone',
  zlib: 'CompressionStream and DecompressionStream',
};

/** The global names of Node that a package may use without an import, and where they come from when it does. */
export const NODE_GLOBALS: Readonly<Record<string, readonly [module: string, member?: string]>> = {
  process: ['process'],
  Buffer: ['buffer', 'Buffer'],
  setImmediate: ['timers', 'setImmediate'],
  clearImmediate: ['timers', 'clearImmediate'],
};

/** What the guest's `require` is asked for when a package imports that; null when the guest does not have it. */
export function guestModule(specifier: string): string | null {
  if (specifier === SOCKETS_MODULE) return specifier;
  const name = withoutPrefix(specifier);
  return Object.hasOwn(NODE_MODULES, name) ? `node:${name}` : null;
}

/** Why a module of Node or Bun cannot be imported, and what to do; null when it is none of theirs. */
export function missingModule(specifier: string): string | null {
  if (specifier === 'bun' || specifier.startsWith('bun:')) return 'is a module of Bun, which a plugin does not have';
  const name = withoutPrefix(specifier);
  const instead = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined;
  if (instead === undefined && name === specifier) return null;
  return `is a module of Node that a plugin does not have${instead == null ? '' : `: use ${instead} instead`}`;
}

/** The modules of Node that a bundle asks the guest's `require` for, in order of their names. */
export function askedModules(code: string): string[] {
  const names = Object.keys(NODE_MODULES).map((name) => `node:${name}`);
  return names.filter((name) => code.includes(`require("${name}")`)).sort();
}

const withoutPrefix = (specifier: string): string => specifier.replace(/^node:/, '');
