import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** The command line, its words divided by spaces. */
  readonly command: string;
}

/** All processes of this machine that are no zombies (Linux). */
function allProcesses(): Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [, state, parent] = /\) (\S) (\d+) /.exec(stat) ?? [];
      if (state === 'Z' || parent === undefined) return [];
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return [{ pid: Number(entry), parent: Number(parent), command }];
    } catch {
      // It ended while the list was read.
      return [];
    }
  });
}

/** The processes that a process has started, and those that they have. */
export function descendantsOf(pid: number): Process[] {
  const all = allProcesses();
  const found: Process[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map((child) => child.pid));
  }
  return found;
}

/** The Node processes of the isolate hosts that a core runs at the moment. */
export function isolateHostsOf(core: number): number[] {
  const hosts = descendantsOf(core).filter(
    ({ command }) => /\/node .*runtime\/main\.ts/.test(command) && !/^\S*bwrap /.test(command),
  );
  return hosts.map(({ pid }) => pid);
}

/** The first of them; null when there is none. */
export function isolateHostOf(core: number): number | null {
  return isolateHostsOf(core)[0] ?? null;
}

/** Those of the processes that are still there. */
export function alive(processes: readonly Process[]): Process[] {
  const now = new Map(allProcesses().map((process) => [process.pid, process.command]));
  return processes.filter(({ pid, command }) => now.get(pid) === command);
}
