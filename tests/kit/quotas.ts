import { type AskedLimits, resolveLimits } from '../../src/plugins/limits.ts';
import { Quotas } from '../../src/quotas/quotas.ts';

/** What was refused: `plugin limit`, with a `!` when its log is to be told. */
export interface TestQuotas {
  readonly quotas: Quotas;
  readonly refused: string[];
  /** Milliseconds of the clock, which stands still until it is moved. */
  now: number;
  /** What every plugin asks for; change it and it counts at once. */
  limits: AskedLimits;
}

/** Quotas of plugins that all have the same limits, by a clock of their own. */
export function testQuotas(limits: AskedLimits = {}): TestQuotas {
  const refused: string[] = [];
  const tested: TestQuotas = {
    quotas: new Quotas({
      limitsOf: () => resolveLimits({}, tested.limits),
      onExceeded: (plugin, limit, _error, tell) => refused.push(`${plugin} ${limit}${tell ? '!' : ''}`),
      now: () => tested.now,
    }),
    refused,
    now: 0,
    limits,
  };
  return tested;
}
