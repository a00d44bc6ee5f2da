import { readdirSync, readFileSync } from 'node:fs';

const DEADLINE_MS = 15_000;

/** Command line of a process; null when it has ended (or is only waiting to be reaped). */
export function commandOf(pid: number | string): string[] | null {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv.join('') === '' ? null : argv;
  } catch {
    return null;
  }
}

/** Pids of the PostgreSQL servers that were started on a data folder. */
export function postmastersOn(data: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.filter((pid) => commandOf(pid)?.includes(data) && commandOf(pid)?.[0]?.endsWith('postgres'));
  // A child that has just been forked still has the command line of its parent.
  return found.filter((pid) => !found.includes(parentOf(pid))).map(Number);
}

function parentOf(pid: string): string {
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Waits for a condition; fails after 15 s. */
export async function eventually(holds: () => boolean): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${DEADLINE_MS} ms: ${holds}`);
    await Bun.sleep(5);
  }
}

/** The first line that a process writes. */
export async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0] ?? '';
}
