import { queueMicrotask } from '../web/timers.ts';

function nextTick(callback: (...args: unknown[]) => void, ...args: unknown[]): void {
  if (typeof callback !== 'function') throw new TypeError('process.nextTick: the callback is not a function');
  queueMicrotask(() => callback(...args));
}

function hrtime(before?: readonly [number, number]): [seconds: number, nanoseconds: number] {
  const nanoseconds = Number(hrtime.bigint());
  const [seconds = 0, rest = 0] = before ?? [];
  const passed = nanoseconds - seconds * 1e9 - rest;
  return [Math.floor(passed / 1e9), passed % 1e9];
}
hrtime.bigint = (): bigint => BigInt(Math.round(performance.now() * 1e6));

function refuse(): never {
  throw new Error('process: a plugin has no working directory to change');
}

/**
 * `node:process` for packages that ask for it: nothing of the host, no variables, and no `versions.node`, so that a package
 * that looks for Node takes the way that it has for the web. Its events never come.
 */
const process = {
  title: 'streamspace',
  browser: true,
  platform: 'linux',
  arch: '',
  version: '',
  versions: {},
  release: {},
  config: {},
  features: {},
  env: {},
  argv: [],
  execArgv: [],
  execPath: '',
  pid: 1,
  ppid: 0,
  exitCode: undefined,
  nextTick,
  hrtime,
  uptime: (): number => performance.now() / 1000,
  cwd: (): string => '/',
  chdir: refuse,
  umask: (): number => 0,
  emitWarning(warning: unknown): void {
    console.warn(warning);
  },
  on: () => process,
  addListener: () => process,
  once: () => process,
  off: () => process,
  removeListener: () => process,
  removeAllListeners: () => process,
  prependListener: () => process,
  prependOnceListener: () => process,
  setMaxListeners: () => process,
  getMaxListeners: (): number => 0,
  listeners: (): unknown[] => [],
  listenerCount: (): number => 0,
  eventNames: (): unknown[] => [],
  emit: (): boolean => false,
};

export { process as 'module.exports' };
