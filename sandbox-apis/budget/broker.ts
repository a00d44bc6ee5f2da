import type { Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { budgetContract } from './contract.ts';

export interface BudgetUse {
  readonly limit: string;
  readonly max: number;
  readonly used: number | null;
  readonly resetsAt: string | null;
}

export interface BudgetDeps {
  /** Every limit of a plugin and what is used of it. */
  readonly budget: (plugin: string) => Promise<BudgetUse[]>;
}

/** The core's half of `streamspace.budget`. */
export function createBudgetBroker({ budget }: BudgetDeps): Handlers<typeof budgetContract> {
  return {
    get: async ({ plugin }, { limit }) => {
      const entries = await budget(plugin);
      if (limit === undefined) return { entries };
      const found = entries.filter((entry) => entry.limit === limit);
      if (found.length === 0) throw new CodedError('invalid_input', `limit: there is no limit "${limit}"`);
      return { entries: found };
    },
  };
}
