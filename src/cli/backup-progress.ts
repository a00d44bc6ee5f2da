import { stderr } from 'node:process';
import type { BackupHead } from '../backup/head.ts';
import type { Passed } from '../backup/progress.ts';
import { note, printable } from './terminal.ts';

/** Milliseconds between two lines where they stay, and where each takes the place of the one before. */
const LOG_MS = 5_000;
const TERMINAL_MS = 200;

/** Says on standard error how far a backup or a restore is. */
export class BackupProgress {
  #last = performance.now();
  #shown = false;

  /** @param phase such as `verified` */
  passed(phase: string, head: BackupHead, { section, bytes }: Passed): void {
    const now = performance.now();
    if (now - this.#last < (stderr.isTTY ? TERMINAL_MS : LOG_MS)) return;
    this.#last = now;
    const part =
      head.estimatedBytes > 0 ? `, about ${Math.min(99, Math.round((bytes / head.estimatedBytes) * 100))} %` : '';
    this.#show(`${phase} ${size(bytes)}${part}: ${what(section, head)}`);
  }

  /** Takes the line away. */
  done(): void {
    if (this.#shown && stderr.isTTY) stderr.write('\r\u001b[2K');
    this.#shown = false;
  }

  #show(line: string): void {
    const text = printable(line);
    if (!stderr.isTTY) {
      note(text);
      return;
    }
    stderr.write(`\r\u001b[2K${text.slice(0, (stderr.columns ?? 80) - 1)}`);
    this.#shown = true;
  }
}

function what(section: string, { plugins }: BackupHead): string {
  const [kind, name = '', part] = section.split('/');
  if (kind === 'core') return `table ${name}`;
  if (kind === 'blobs') return 'files';
  const having = plugins.filter(({ database }) => database);
  const nth = having.findIndex((plugin) => plugin.name === name) + 1;
  return `database of ${name} (${nth} of ${having.length}), ${part ?? ''}`;
}

/** Bytes for people, in powers of ten. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`;
}
