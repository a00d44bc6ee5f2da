import { expect, test } from 'bun:test';
import type { Counts } from './monitor.ts';
import { planOf } from './plan.ts';
import { describeFailure } from './report.ts';
import { simulate } from './simulate.ts';

/** What `bun test` has time for; `bun run simulate` does thousands. */
const SEEDS = 150;

test(`${SEEDS} seeds: three replicas that crash, freeze and lose the database keep every promise`, () => {
  const failed: number[] = [];
  const seen: Partial<Counts> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, counts } = simulate(planOf(seed));
    if (violations.length > 0) failed.push(seed);
    for (const [name, n] of Object.entries(counts) as [keyof Counts, number][]) seen[name] = (seen[name] ?? 0) + n;
  }
  if (failed.length > 0) throw new Error(`${failed.length} seeds failed\n${describeFailure(failed[0] ?? 0)}`);
  // The promises were put to the test.
  expect(seen.deliveries).toBeGreaterThan(20 * SEEDS);
  expect(seen.jobRuns).toBeGreaterThan(20 * SEEDS);
  expect(seen.dead).toBeGreaterThan(SEEDS);
  expect(seen.repeats).toBeGreaterThan(SEEDS / 10);
  expect(seen.besideLost).toBeGreaterThan(0);
}, 60_000);

test('the same seed gives the same trace, another seed another one', () => {
  const trace = (seed: number): string => simulate(planOf(seed), { traced: true }).trace.filter(isNoLog).join('\n');
  const first = trace(7);
  expect(first.split('\n').length).toBeGreaterThan(200);
  expect(trace(7)).toBe(first);
  expect(trace(8)).not.toBe(first);
});

/** A line of the log tells the real time too. */
function isNoLog(line: string): boolean {
  return line.slice(10, 16).trim() !== 'log';
}
