import { parseArgs } from 'node:util';
import type { Counts } from './monitor.ts';
import { planOf } from './plan.ts';
import { describeFailure, describePlan } from './report.ts';
import { simulate } from './simulate.ts';

const USAGE = `bun tests/simulation/main.ts [--seeds N] [--from N] | --seed N [--trace]
  --seeds N   how many seeds, 5000 when not given
  --from N    the first of them, 1 when not given
  --seed N    this one alone; with --trace everything that happens in it`;

/** Failures that are described: each costs some seconds. */
const DESCRIBED = 3;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const [seeds, from, seed] = [values.seeds, values.from, values.seed ?? '0'].map(Number) as [number, number, number];
if (![seeds, from, seed].every(Number.isSafeInteger)) {
  console.error(USAGE);
  process.exit(2);
}
process.exitCode = values.seed === undefined ? many(from, seeds) : one(seed, values.trace);

function one(seed: number, traced: boolean): number {
  const plan = planOf(seed);
  const { violations, trace, counts, steps } = simulate(plan, { traced });
  console.log([...describePlan(plan), ...trace, ...violations].join('\n'));
  console.log(`${steps} steps, ${JSON.stringify(counts)}, ${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

function many(from: number, seeds: number): number {
  const began = performance.now();
  const total: Partial<Counts> = {};
  const failed: number[] = [];
  let steps = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = simulate(planOf(seed));
    steps += outcome.steps;
    for (const [name, n] of Object.entries(outcome.counts) as [keyof Counts, number][]) {
      total[name] = (total[name] ?? 0) + n;
    }
    if (outcome.violations.length > 0) failed.push(seed);
  }
  const seconds = (performance.now() - began) / 1_000;
  console.log(`${seeds} seeds in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(0)} a second), ${steps} steps`);
  console.log(JSON.stringify(total));
  for (const seed of failed.slice(0, DESCRIBED)) console.log(`\n${describeFailure(seed)}`);
  console.log(
    failed.length === 0 ? 'nothing that may not happen' : `${failed.length} seeds failed: ${failed.join(' ')}`,
  );
  return failed.length === 0 ? 0 : 1;
}
