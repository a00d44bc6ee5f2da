import { PLUGIN_LIMITS, type PluginLimits } from '../host/limits.ts';

type Asked = Readonly<Record<string, unknown>>;

/** What a plugin gets: what the admin set, else what its manifest asks, else the default; never above the ceiling. */
export function resolveLimits(asked: Asked, set: Asked): PluginLimits {
  const pick = (key: keyof typeof PLUGIN_LIMITS): number => {
    const { default: usual, ceiling } = PLUGIN_LIMITS[key];
    const wanted = set[key] ?? asked[key];
    return typeof wanted === 'number' && wanted > 0 ? Math.min(wanted, ceiling) : usual;
  };
  return {
    memoryMb: Math.max(8, pick('memoryMb')),
    cpuMsPerCall: pick('cpuMsPerCall'),
    wallMsPerCall: pick('wallMsPerCall'),
    loadMs: pick('loadMs'),
  };
}

/** How long lifecycle steps may take, in milliseconds. */
export const LIFECYCLE_LIMITS = {
  /** An old version may finish what it has begun before it is let go; calls have at least their own deadline. */
  drainMs: 10_000,
  /** `onUnload`, `onDisable` and the like: a courtesy, not a veto. */
  hookMs: 5_000,
  /** A request waits this long for a plugin that is being restarted. */
  restartWaitMs: 5_000,
  /** Isolates that a plugin may lose within the window before it is quarantined. */
  strikes: 5,
  strikeWindowMs: 60_000,
} as const;
