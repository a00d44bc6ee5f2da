import type { Plan } from './plan.ts';
import { type Options, simulate } from './simulate.ts';

/** Re-runs that a failure may cost: each takes some 20 ms. */
const MOST_RUNS = 200;

/**
 * Leaves out of a plan whatever it fails without: first large pieces of what happens, then single ones, then plugins.
 * @returns the smallest plan that was found; whatever fails in it need not be the same
 */
export function shrink(plan: Plan, options: Options = {}): Plan {
  let best = plan;
  let runs = 0;
  const fails = (tried: Plan): boolean => {
    if (runs++ >= MOST_RUNS || simulate(tried, { ...options, traced: false }).violations.length === 0) return false;
    best = tried;
    return true;
  };
  for (let size = Math.ceil(plan.actions.length / 2); size >= 1 && runs < MOST_RUNS; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.actions.length; ) {
      const actions = best.actions.filter((_, i) => i < from || i >= from + size);
      if (!fails({ ...best, actions })) from += size;
    }
  }
  for (const { name } of plan.plugins) {
    const plugins = best.plugins.filter((one) => one.name !== name);
    const actions = best.actions.filter((action) => !('plugin' in action) || action.plugin !== name);
    if (plugins.length > 0) fails({ ...best, plugins, actions });
  }
  if (best.flaky > 0) fails({ ...best, flaky: 0 });
  return best;
}
