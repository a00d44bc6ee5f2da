import { HOST_CALL_LIMITS, type LimitName, type LimitSpec, PLUGIN_LIMITS, type PluginLimits } from '../host/limits.ts';
import type { Plugin } from './plugin.ts';

/** Limits by name, as somebody gave them: numbers, and `hostCallsPerMinute` with numbers by capability. */
export type AskedLimits = Readonly<Record<string, unknown>>;

/**
 * What a plugin gets: what the admin set, else what its manifest asks, else the default; never above the ceiling.
 *
 * @param ceilings the operator's own, in the place of the built-in ones
 */
export function resolveLimits(asked: AskedLimits, set: AskedLimits, ceilings: AskedLimits = {}): PluginLimits {
  const names = Object.keys(PLUGIN_LIMITS) as LimitName[];
  const numbers = Object.fromEntries(
    names.map((name) => [name, pick(PLUGIN_LIMITS[name], set[name] ?? asked[name], ceilings[name])]),
  ) as Record<LimitName, number>;
  const calls = [asked, set, ceilings].map((limits) => (limits.hostCallsPerMinute ?? {}) as AskedLimits);
  return { ...numbers, hostCallsPerMinute: pickCalls(calls[0] ?? {}, calls[1] ?? {}, calls[2] ?? {}) };
}

/** What an installed plugin may use at the moment: its live instance's, else what the next one will get. */
export function limitsOfPlugin(plugin: Plugin | undefined, ceilings: AskedLimits): PluginLimits {
  return plugin?.instance?.limits ?? resolveLimits(plugin?.manifest?.limits ?? {}, plugin?.row.limits ?? {}, ceilings);
}

function pickCalls(asked: AskedLimits, set: AskedLimits, ceilings: AskedLimits): Record<string, number> {
  const names = new Set([asked, set, ceilings, HOST_CALL_LIMITS].flatMap(Object.keys));
  const common = HOST_CALL_LIMITS.default as LimitSpec;
  const usual = pick(common, set.default ?? asked.default, ceilings.default);
  return Object.fromEntries(
    [...names].map((name) => {
      // One without a line of its own is as the others, unless somebody named it.
      const spec = HOST_CALL_LIMITS[name] ?? { ...common, default: usual };
      return [name, pick(spec, set[name] ?? asked[name], ceilings[name] ?? ceilingOfAll(name, ceilings))];
    }),
  );
}

const ceilingOfAll = (name: string, ceilings: AskedLimits): unknown =>
  Object.hasOwn(HOST_CALL_LIMITS, name) ? undefined : ceilings.default;

function pick({ default: usual, least, ceiling }: LimitSpec, wanted: unknown, cap: unknown): number {
  const number = typeof wanted === 'number' && wanted >= 0 ? wanted : usual;
  return Math.min(Math.max(number, least), typeof cap === 'number' ? cap : ceiling);
}

/** How long lifecycle steps may take, in milliseconds. */
export const LIFECYCLE_LIMITS = {
  /** An old version may finish what it has begun before it is let go; calls have at least their own deadline. */
  drainMs: 10_000,
  /** `onUnload`, `onDisable` and the like: a courtesy, not a veto. */
  hookMs: 5_000,
  /** Migrations of one change together: a table of millions is rewritten within it, while the plugin's calls wait. */
  migrateMs: 600_000,
  /** A request waits this long for a plugin that is being restarted. */
  restartWaitMs: 5_000,
  /** A plugin that reaches one of these is quarantined: in bursts, or again and again. A lost isolate is one strike. */
  strikeRules: [
    { strikes: 5, windowMs: 60_000 },
    { strikes: 20, windowMs: 3_600_000 },
  ],
  /** Milliseconds until who brought a process down is loaded again: first come those that were in it. */
  culpritPauseMs: 500,
  /** Strikes for a lost process: it took the others down with it. */
  hostStrikes: 2,
} as const;
