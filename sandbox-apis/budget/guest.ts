import type { GuestHost } from '../_kit/guest.ts';

/** One limit of the plugin. */
export interface BudgetEntry {
  /** Its name in the manifest, such as `cpuMsPerMinute` or `hostCallsPerMinute.fetch`. */
  readonly limit: string;
  readonly max: number;
  /** Null for a limit of a single call, such as `wallMsPerCall`, and for what is counted inside the plugin (`timers`). */
  readonly used: number | null;
  /** When it is all free again (ISO 8601); null when it is not counted by time, or nothing was used. */
  readonly resetsAt: string | null;
}

/**
 * `streamspace.budget`: what the plugin may use, as its manifest asked and the admin set, and what it has used. A call
 * over a limit rejects with a `QuotaError`, which has `limit`, `max` and `resetsAt`; look here to slow down before.
 */
export interface BudgetApi {
  /** All limits, in the order of their names. */
  get(): Promise<BudgetEntry[]>;
  /**
   * One limit.
   * @throws `invalid_input` when there is none of that name
   * @example
   * ```ts
   * const { max, used } = await streamspace.budget.get('hostCallsPerMinute.fetch');
   * if (used !== null && used > max * 0.9) streamspace.log.warn('nearly all requests of this minute are used');
   * ```
   */
  get(limit: string): Promise<BudgetEntry>;
}

export function createBudget(host: GuestHost): BudgetApi {
  async function get(): Promise<BudgetEntry[]>;
  async function get(limit: string): Promise<BudgetEntry>;
  async function get(limit?: string): Promise<BudgetEntry[] | BudgetEntry> {
    const input = limit === undefined ? {} : { limit };
    const { entries } = await host.call<{ entries: BudgetEntry[] }>('budget.get', input);
    return limit === undefined ? entries : (entries[0] as BudgetEntry);
  }
  return { get };
}
