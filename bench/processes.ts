import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Subprocess } from 'bun';

/** Milliseconds that a child gets to stop by itself; the core allows itself 10 s. */
const STOP_MS = 12_000;
/** Of the times in /proc/<pid>/stat: USER_HZ is 100 on every Linux that Bun runs on. */
const MS_PER_TICK = 10;

/** Everything that was started, so that nothing is left when the bench ends, however it ends. */
export class Children {
  readonly #running = new Set<Subprocess>();
  #closed = false;

  /** @throws Error when the bench is ending already; the child is killed then */
  add<Child extends Subprocess>(child: Child): Child {
    if (this.#closed) {
      child.kill('SIGKILL');
      throw new Error('the bench is ending');
    }
    this.#running.add(child);
    void child.exited.then(() => this.#running.delete(child));
    return child;
  }

  /** SIGTERM, then SIGKILL to what does not end. */
  async stop(child: Subprocess): Promise<void> {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await child.exited;
    clearTimeout(late);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.stop(child)));
  }

  /** Stops all, and lets nothing be started any more. */
  close(): Promise<void> {
    this.#closed = true;
    return this.stopAll();
  }
}

/** True where processes can be looked at. */
export const HAS_PROC = process.platform === 'linux';

/** CPU time of a process so far, all its threads, in milliseconds; NaN where that cannot be seen. */
export function cpuMs(pid: number | null): number {
  const fields = statOf(pid);
  return fields === null ? Number.NaN : (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** Resident memory of a process in bytes; NaN where that cannot be seen. */
export function rssBytes(pid: number | null): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status') ?? '')?.[1];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) * 1024;
}

export interface ProcessMemory {
  readonly pid: number;
  /** The program's name. */
  readonly name: string;
  /** Bytes in memory; shared pages count in every process that has them. */
  readonly rss: number;
  /** Bytes in memory, each shared page divided by the processes that have it: these add up. */
  readonly pss: number;
}

/** Memory of a process and of all that it has started. */
export function memoryOfTree(root: number): ProcessMemory[] {
  const parents = processParents();
  const isBelow = (pid: number): boolean => pid === root || (pid > 1 && isBelow(parents.get(pid) ?? 0));
  return [...parents.keys()].filter(isBelow).flatMap((pid) => {
    const rollup = readProc(pid, 'smaps_rollup');
    if (rollup === null) return [];
    const bytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024;
    const name = readProc(pid, 'comm')?.trim() ?? '';
    return [{ pid, name, rss: bytes('Rss'), pss: bytes('Pss') }];
  });
}

function processParents(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (Number.isInteger(pid)) parents.set(pid, Number(statOf(pid)?.[1] ?? 0));
  }
  return parents;
}

/**
 * The isolate host below a core that has worked most: another is kept ahead of need. Launchers such as bwrap stand between
 * the two. Null when there is none.
 */
export function isolateHostOf(core: number): number | null {
  if (!HAS_PROC) return null;
  const parents = processParents();
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid) ?? 0;
    return parent === core || (parent > 1 && isBelow(parent));
  };
  const hosts = [...parents.keys()].filter((pid) => {
    const argv = (readProc(pid, 'cmdline') ?? '').split('\0');
    const isHost = basename(argv[0] ?? '') === 'node' && argv.some((word) => word.endsWith('runtime/main.ts'));
    return isHost && isBelow(pid);
  });
  return hosts.toSorted((a, b) => ticksOf(b) - ticksOf(a))[0] ?? null;
}

/** Clock ticks of CPU that a process has used. */
function ticksOf(pid: number): number {
  const fields = statOf(pid);
  return Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
}

/** The fields of /proc/<pid>/stat from the third on: before it stands a name that may hold anything. */
function statOf(pid: number | null): string[] | null {
  const text = readProc(pid, 'stat');
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Null when the process is gone, or there is no /proc. */
function readProc(pid: number | null, file: string): string | null {
  if (pid === null || !HAS_PROC) return null;
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
