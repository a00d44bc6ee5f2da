import { EPOCH } from './database.ts';
import { type Plan, planOf } from './plan.ts';
import { shrink } from './shrink.ts';
import { type Options, simulate } from './simulate.ts';

/** Of a trace as it is printed: what leads to the first violation, and no more than one reads. */
const LINES = 120;

/** What is told of a seed that fails: what went wrong, how to see it again, and the shortest way there that was found. */
export function describeFailure(seed: number, options: Options = {}): string {
  const { violations } = simulate(planOf(seed), options);
  const small = shrink(planOf(seed), options);
  const { trace, violations: left } = simulate(small, { ...options, traced: true });
  const first = trace.findIndex((line) => line.includes(' !  '));
  const shown = trace.slice(Math.max(0, first - LINES), first + 1);
  return [
    `seed ${seed}: ${violations.length} violations, the first: ${violations[0]}`,
    `again: bun tests/simulation/main.ts --seed ${seed} --trace`,
    `smaller, with ${small.actions.length} of ${planOf(seed).actions.length} actions: ${left[0]}`,
    ...describePlan(small),
    `...the last ${shown.length} lines before it:`,
    ...shown,
  ].join('\n');
}

/** A plan in lines: who is there, and what happens to them. */
export function describePlan({ calm, plugins, replicas, actions, flaky, deaf }: Plan): string[] {
  const clocks = replicas.map(({ skewMs, drift }) => `${skewMs} ms, ${(drift * 100).toFixed(2)} %`).join('; ');
  return [
    `${calm ? 'calm' : 'chaos'}; time 0 is ${new Date(EPOCH).toISOString()}; clocks off by ${clocks}`,
    `of statements ${flaky * 100} % fail, of notifications ${deaf * 100} % are lost; plugins ${plugins.map(({ name }) => name).join(', ')}`,
    ...actions.map(({ at, ...action }) => `${String(at).padStart(9)} ${JSON.stringify(action)}`),
  ];
}
