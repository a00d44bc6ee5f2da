import { type LimitName, PLUGIN_LIMITS, type PluginLimits } from '../host/limits.ts';
import type { QuotaUse } from './quota-use.ts';
import type { Quotas } from './quotas.ts';

export interface BudgetDeps {
  readonly quotas: Quotas;
  readonly limitsOf: (plugin: string) => PluginLimits;
  /** Invocations of the plugin under way. */
  readonly callsOf: (plugin: string) => number;
  readonly storedBytes: (plugin: string) => Promise<number>;
  /** Bytes of the plugin's database; 0 without one. */
  readonly databaseBytes: (plugin: string) => Promise<number>;
  readonly filesUsage: (plugin: string) => Promise<{ readonly bytes: number; readonly files: number }>;
}

/** Every limit of a plugin, and what is used of it; in the order of their names. */
export type Budget = (plugin: string) => Promise<QuotaUse[]>;

export function createBudget({
  quotas,
  limitsOf,
  callsOf,
  storedBytes,
  databaseBytes,
  filesUsage,
}: BudgetDeps): Budget {
  return async (plugin) => {
    const limits = limitsOf(plugin);
    const files = await filesUsage(plugin);
    const used: Partial<Record<LimitName, number>> = {
      callsInFlight: callsOf(plugin),
      storageBytes: await storedBytes(plugin),
      databaseBytes: await databaseBytes(plugin),
      filesBytes: files.bytes,
      filesCount: files.files,
    };
    const counted = quotas.of(plugin).uses();
    const known = new Set(counted.map(({ limit }) => limit));
    const others = (Object.keys(PLUGIN_LIMITS) as LimitName[])
      .filter((limit) => !known.has(limit))
      .map((limit) => ({ limit, max: limits[limit], used: used[limit] ?? null, resetsAt: null }));
    return [...counted, ...others].sort((a, b) => (a.limit < b.limit ? -1 : 1));
  };
}
