import type { Outcome } from './arena.ts';
import type { Stop } from './attack.ts';

const STOPPED_BY: Readonly<Record<Stop, string>> = {
  cpu: 'its isolate was ended: CPU time',
  memory: 'its isolate was ended: heap',
  protocol: 'its isolate was ended: broke the bridge',
  deadline: 'another isolate took over',
  process: 'its process was ended',
  load: 'it was not loaded',
  refused: 'an error for the plugin',
  nothing: 'nothing had to',
};

export const HEAD = ['attack', 'where', 'case', 'what stopped it', 'who noticed', 'noticed after', 'others out for'];

/** One line of the table: attack, what stopped it, how long, who noticed. */
export function rowOf({ attack, stops, notices, noticedMs, load }: Outcome): string[] {
  const longest = Math.max(...load.map(({ outageMs }) => outageMs));
  return [
    attack.name,
    attack.place,
    attack.adversary,
    stops.map((stop) => STOPPED_BY[stop]).join(', '),
    [...new Set(notices.map(({ noticedBy }) => noticedBy))].join(', ') ||
      (stops.includes('nothing') ? '' : 'the call itself'),
    noticedMs === null ? '' : `${Math.round(noticedMs)} ms`,
    longest === 0 ? '' : `${Math.round(longest)} ms`,
  ];
}

/** A table of Markdown, its columns as wide as they have to be. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}
