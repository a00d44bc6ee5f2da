import { type Expectations, expectationOf, HARNESS, skipReason, UNEXPLAINED } from './expectations.ts';
import { type CaseResult, STATUS } from './runner.ts';
import type { TestCase } from './suite.ts';

/** Something that a reader of the report has to know of. */
export interface Finding {
  readonly kind: 'unexpected' | 'passes now' | 'browser';
  readonly file: string;
  /** Its name; `HARNESS` for the run as a whole, '' for a file that was not run. */
  readonly subtest: string;
  readonly message: string;
}

/** Figures of one area. */
export interface Tally {
  readonly area: string;
  files: number;
  /** Subtests that need no browser; a run that broke or timed out as a whole counts as one. */
  subtests: number;
  passed: number;
  expected: number;
  unexpected: number;
  timeouts: number;
  /** Subtests and whole files that need a browser, counted nowhere else. */
  browserSubtests: number;
  browserFiles: number;
  readonly findings: Finding[];
}

/** Holds what came of an area's runs against its list. */
export function tallyOf(
  area: string,
  skipped: readonly TestCase[],
  results: readonly CaseResult[],
  list: Expectations,
): Tally {
  const tally: Tally = {
    area,
    files: new Set(results.map(({ test }) => test.path)).size,
    subtests: 0,
    passed: 0,
    expected: 0,
    unexpected: 0,
    timeouts: 0,
    browserSubtests: 0,
    browserFiles: new Set(skipped.map(({ path }) => path)).size,
    findings: [],
  };
  for (const path of new Set(skipped.map((test) => test.path))) {
    tally.findings.push({ kind: 'browser', file: path, subtest: '', message: skipReason(list, path) ?? '' });
  }
  for (const result of results) addResult(tally, result, list);
  return tally;
}

/** Whether a case is passed over, since all of its file needs a browser. */
export function isSkipped(list: Expectations, { path }: TestCase): boolean {
  return skipReason(list, path) !== null;
}

function addResult(tally: Tally, { test, subtests, harness }: CaseResult, list: Expectations): void {
  const { path, variant } = test;
  const file = path + variant;
  const fail = (name: string, message: string, late: boolean): void => {
    const entry = expectationOf(list, path, name);
    if (entry?.needs === 'browser') {
      tally.browserSubtests++;
      tally.findings.push({ kind: 'browser', file, subtest: name, message: entry.reason });
      return;
    }
    tally.subtests++;
    if (late) tally.timeouts++;
    if (entry !== null && entry.reason !== UNEXPLAINED) {
      tally.expected++;
      return;
    }
    tally.unexpected++;
    tally.findings.push({ kind: 'unexpected', file, subtest: name, message });
  };
  for (const { name, status, message } of subtests) {
    if (status !== STATUS.pass) {
      fail(name, message, status === STATUS.timeout || status === STATUS.notRun);
      continue;
    }
    tally.subtests++;
    tally.passed++;
    const entry = expectationOf(list, path, name);
    // An entry for a whole file, or a pattern, may cover what passes.
    if (entry?.subtests?.some((each) => !each.startsWith('/'))) {
      tally.findings.push({ kind: 'passes now', file, subtest: name, message: entry.reason });
    }
  }
  if (harness !== null) fail(HARNESS, harness.message, harness.kind === 'timeout');
}

/** Of the command: 1 when anything failed that no list accounts for. */
export function exitCode(tallies: readonly Pick<Tally, 'unexpected'>[]): number {
  return tallies.some(({ unexpected }) => unexpected > 0) ? 1 : 0;
}
