import { HARNESS, idOf } from './expectations.ts';
import type { Finding, Tally } from './tally.ts';

const HEADS = [
  'area',
  'files',
  'subtests',
  'passed',
  'expected failures',
  'unexpected',
  'timeouts',
  'share',
  'browser',
];
/** Findings of one file that are shown, unless all are asked for. */
const SHOWN_OF_A_FILE = 12;

/** The figures of all areas and their sum, as a Markdown table. */
export function table(tallies: readonly Tally[]): string {
  const rows = [...tallies, sumOf(tallies)].map((tally) => [
    tally.area,
    ...[tally.files, tally.subtests, tally.passed, tally.expected, tally.unexpected, tally.timeouts].map(String),
    shareOf(tally),
    `${tally.browserSubtests} + ${tally.browserFiles} files`,
  ]);
  const widths = HEADS.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(HEADS), rule, ...rows.map(line)].join('\n');
}

/** Passed of all that need no browser. */
export function shareOf({ passed, subtests }: Pick<Tally, 'passed' | 'subtests'>): string {
  return subtests === 0 ? '-' : `${(Math.floor((passed / subtests) * 10_000) / 100).toFixed(2)} %`;
}

/** One kind of findings, by file. */
export function findingsText(tallies: readonly Tally[], kind: Finding['kind'], all: boolean): string {
  const found = tallies.flatMap(({ findings }) => findings.filter((finding) => finding.kind === kind));
  const lines: string[] = [];
  for (const [file, findings] of Map.groupBy(found, (finding) => finding.file)) {
    lines.push(`${file}${findings.length > 1 ? ` (${findings.length})` : ''}`);
    const shown = all ? findings : findings.slice(0, SHOWN_OF_A_FILE);
    for (const { subtest, message } of shown) {
      lines.push(subtest === '' ? `    ${message}` : `    ${nameOf(subtest)}\n        ${oneLine(message)}`);
    }
    if (shown.length < findings.length) lines.push(`    and ${findings.length - shown.length} more: --all shows them`);
  }
  return lines.join('\n');
}

/** As a list would name it, and for people. */
function nameOf(subtest: string): string {
  return subtest === HARNESS ? `${HARNESS} (the run as a whole)` : `${idOf(subtest)} ${oneLine(subtest)}`;
}

function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names of tests hold any character
  return text.replace(/[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/g, ' ').slice(0, 300);
}

function sumOf(tallies: readonly Tally[]): Omit<Tally, 'findings'> {
  const sum = (count: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + count(tally), 0);
  return {
    area: 'all',
    files: sum(({ files }) => files),
    subtests: sum(({ subtests }) => subtests),
    passed: sum(({ passed }) => passed),
    expected: sum(({ expected }) => expected),
    unexpected: sum(({ unexpected }) => unexpected),
    timeouts: sum(({ timeouts }) => timeouts),
    browserSubtests: sum(({ browserSubtests }) => browserSubtests),
    browserFiles: sum(({ browserFiles }) => browserFiles),
  };
}
