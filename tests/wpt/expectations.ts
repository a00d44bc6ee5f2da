import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './runner.ts';
import { STATUS } from './runner.ts';

/** Why some subtests of a file fail. */
export interface Expectation {
  readonly reason: string;
  /** They are about what only a browser has, and are counted apart. */
  readonly needs?: 'browser';
  /**
   * Which: the first 12 hex digits of the SHA-256 of a name (the suite's own words stay out of this repository), a
   * regular expression between slashes, or `harness` for the run as a whole. Without it: the whole file, which is not
   * run when it needs a browser.
   */
  readonly subtests?: readonly string[];
}

/** By file, of one area. */
export type Expectations = Readonly<Record<string, readonly Expectation[]>>;

export const UNEXPLAINED = '?';
export const HARNESS = 'harness';

const fileOf = (folder: string, area: string): string => join(folder, `${area}.json`);

/** Name of a subtest as the lists have it. */
export function idOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 12);
}

/** The list of an area; empty without a file. */
export function loadExpectations(folder: string, area: string): Expectations {
  const file = fileOf(folder, area);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Expectations) : {};
}

/** The reason why a whole file is not run; null when it is. */
export function skipReason(expectations: Expectations, path: string): string | null {
  const whole = expectations[path]?.find(({ subtests, needs }) => subtests === undefined && needs === 'browser');
  return whole?.reason ?? null;
}

/** Finds the entry that covers a subtest; `HARNESS` stands for the run as a whole. */
export function expectationOf(expectations: Expectations, path: string, name: string): Expectation | null {
  const id = name === HARNESS ? HARNESS : idOf(name);
  const covers = ({ subtests }: Expectation): boolean =>
    subtests === undefined || subtests.some((each) => each === id || (name !== HARNESS && matches(each, name)));
  return expectations[path]?.find(covers) ?? null;
}

function matches(pattern: string, name: string): boolean {
  return pattern.startsWith('/') && pattern.endsWith('/') && new RegExp(pattern.slice(1, -1), 's').test(name);
}

/**
 * Writes the list anew: what fails and is on no list is added without a reason (which a run still counts as unexpected),
 * names that passed in all their runs are taken out. Entries that stand for a whole file or a pattern stay, and so do
 * files that were not run.
 */
export function updateExpectations(folder: string, area: string, results: readonly CaseResult[]): void {
  const before = loadExpectations(folder, area);
  const after: Record<string, readonly Expectation[]> = { ...before };
  for (const [path, runs] of Map.groupBy(results, ({ test }) => test.path)) {
    const failed = new Map<string, string>();
    for (const { subtests, harness } of runs) {
      if (harness !== null) failed.set(HARNESS, HARNESS);
      for (const { name, status } of subtests) if (status !== STATUS.pass) failed.set(idOf(name), name);
    }
    const isOpen = (each: string): boolean => each.startsWith('/') || failed.has(each);
    const kept = (before[path] ?? []).flatMap((entry): Expectation[] => {
      if (entry.subtests === undefined) return [entry];
      const subtests = entry.subtests.filter(isOpen);
      return subtests.length === 0 ? [] : [{ ...entry, subtests }];
    });
    const fresh = [...failed].flatMap(([id, name]) =>
      expectationOf({ [path]: kept }, path, name) === null ? [id] : [],
    );
    const entries = fresh.length === 0 ? kept : [...kept, { reason: UNEXPLAINED, subtests: fresh }];
    if (entries.length > 0) after[path] = entries;
    else delete after[path];
  }
  const sorted = Object.fromEntries(Object.entries(after).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(fileOf(folder, area), `${JSON.stringify(sorted, null, 2)}\n`);
}
