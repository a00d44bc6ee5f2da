import { readFileSync } from 'node:fs';

/** The process at the end of the chain that a confinement layer makes: bubblewrap's child, or the process itself. */
export function innermost(pid: number): number {
  let inner = pid;
  for (let depth = 0; depth < 4; depth += 1) {
    const child = Number(readText(`/proc/${inner}/task/${inner}/children`).split(' ')[0]);
    if (!(child > 0)) break;
    inner = child;
  }
  return inner;
}

/** Bytes of a process that are in memory; 0 when it is not known (another system, or the process is gone). */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0) * 1_024;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not Linux, or gone meanwhile.
    return '';
  }
}
