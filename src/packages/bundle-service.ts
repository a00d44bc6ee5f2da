import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Log } from '../log.ts';

export type Esbuild = typeof import('esbuild');

/** The esbuild process went away while it worked for us; by our own hand or by what it was given to read. */
export class BundlerDied extends Error {}
/** The work took longer than its deadline; the esbuild process was killed. */
export class BundlerDeadline extends Error {}

const LAUNCHER = fileURLToPath(new URL('./esbuild-confined.sh', import.meta.url));
/** Where the launcher looks for it. */
const BINARY = fileURLToPath(
  new URL(`../../node_modules/@esbuild/${process.platform}-${process.arch}/bin/esbuild`, import.meta.url),
);

/** One life of the esbuild process. The library starts it by itself, and keeps a dead one until it is told to stop. */
interface Life {
  readonly ended: Promise<never>;
  readonly end: (error: Error) => void;
}

// The library has one process for all its users, so there is one of these in the core.
let library: Promise<Esbuild> | undefined;
let life: Life | undefined;

function beginLife(): Life {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  return { ended: promise, end: reject };
}

/** Loads esbuild's library so that it starts its process through our launcher. */
function load(log: Log): Promise<Esbuild> {
  library ??= (async () => {
    try {
      accessSync(LAUNCHER, constants.X_OK);
      accessSync(BINARY, constants.X_OK);
      process.env.ESBUILD_BINARY_PATH = LAUNCHER;
    } catch (error) {
      log.warn({ error }, 'esbuild runs without limits: its launcher does not work here');
    }
    const esbuild = await import('esbuild');
    // Read once, when the library is loaded.
    delete process.env.ESBUILD_BINARY_PATH;
    return esbuild;
  })();
  return library;
}

/**
 * Runs work in the esbuild process, which is started when it is not there.
 * @throws BundlerDied, BundlerDeadline, or what the work throws
 */
export async function runEsbuild<T>(log: Log, deadlineMs: number, work: (esbuild: Esbuild) => Promise<T>): Promise<T> {
  const esbuild = await load(log);
  life ??= beginLife();
  const mine = life;
  const { promise: overdue, reject } = Promise.withResolvers<never>();
  const deadline = setTimeout(() => {
    // This work is to blame; whatever else was under way only sees the process die.
    reject(new BundlerDeadline(`not done after ${deadlineMs} ms`));
    endLife(esbuild, mine);
  }, deadlineMs);
  try {
    return await Promise.race([overdue, work(esbuild), mine.ended]);
  } catch (error) {
    if (!isProcessEnd(error)) throw error;
    endLife(esbuild, mine);
    throw new BundlerDied(error.message);
  } finally {
    clearTimeout(deadline);
  }
}

function endLife(esbuild: Esbuild, ending: Life): void {
  if (life !== ending) return;
  life = undefined;
  void esbuild.stop();
  ending.end(new BundlerDied('the process ended'));
}

/** How the library says that its process is gone; everything else is about the source that it was given. */
function isProcessEnd(error: unknown): error is Error {
  return error instanceof Error && /^The service (?:was stopped|is no longer running)/.test(error.message);
}

/** Ends the esbuild process; the next work starts it anew. */
export async function stopEsbuild(): Promise<void> {
  const esbuild = await library;
  if (esbuild !== undefined && life !== undefined) endLife(esbuild, life);
}
