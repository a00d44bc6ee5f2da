/** Limits of supervision: data, with the reason beside each number. */
export const HOST_LIMITS = {
  /** Milliseconds between two heartbeats: half of what a neighbour may notice. */
  heartbeatMs: 250,
  /** Milliseconds without an answer after which a host is killed: longer than any entry on its main thread may take. */
  silenceMs: 1_500,
  /** Milliseconds until a started host has said that it is ready; a cold disk is slow. */
  startMs: 15_000,
  /** Milliseconds between two looks at deadlines: by how much one may be late. */
  tickMs: 50,
  /** First and longest pause before a host that died is started again, in milliseconds. */
  respawnMs: { first: 0, longest: 5_000 },
  /** A host that lived as long (ms) is taken for sound again: the pauses start over. */
  soundAfterMs: 10_000,
} as const;

/** What a plugin gets when its manifest does not ask, and the ceiling when the admin did not set another. */
export const PLUGIN_LIMITS = {
  /** Megabytes of heap: room for a parser and a few documents; 100 plugins stay under the memory of a small machine. */
  memoryMb: { default: 64, ceiling: 512 },
  /** Milliseconds of one uninterrupted run: a page of templates takes 5; at most this may quick plugins delay others. */
  cpuMsPerCall: { default: 500, ceiling: 10_000 },
  /** Milliseconds until a call has to be answered, waiting included: as long as most clients wait. */
  wallMsPerCall: { default: 30_000, ceiling: 300_000 },
  /** Milliseconds for the bundle's top level and `onLoad`: an install that hangs is worse than one that fails. */
  loadMs: { default: 10_000, ceiling: 60_000 },
} as const;

export interface PluginLimits {
  readonly memoryMb: number;
  readonly cpuMsPerCall: number;
  readonly wallMsPerCall: number;
  readonly loadMs: number;
}
