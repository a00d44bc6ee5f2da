import { DEFAULT_FILES_QUOTA } from '../../sandbox-apis/files/limits.ts';
import { DEFAULT_STORAGE_QUOTA } from '../../sandbox-apis/storage/limits.ts';

/** Limits of supervision: data, with the reason beside each number. */
export const HOST_LIMITS = {
  /** Milliseconds between two heartbeats: so little is a hung isolate found later than it could be. */
  heartbeatMs: 100,
  /** Milliseconds without an answer after which a host is killed that is in no isolate; a busy machine may be slow. */
  silenceMs: 1_500,
  /** Milliseconds that a start waits for the agent in another container: its image may have to be pulled first. */
  agentWaitMs: 60_000,
  /** Milliseconds until a started host has said that it is ready; a cold disk is slow. */
  startMs: 15_000,
  /** Milliseconds between two looks at deadlines and memory: by how much one may be late. */
  tickMs: 50,
  /** Milliseconds of silence beyond the CPU limit of the isolate that the main thread is in: nothing stops that one any more. */
  hungMs: 200,
  /** Bytes of one host process: room for hundreds of idle isolates, half of a small machine. */
  rssBytes: 1_536 * 1024 * 1024,
  /**
   * Bytes that a host may grow while one isolate runs, beyond twice that isolate's own limit: what V8 does not count
   * comes at a gigabyte a second, and what other isolates take in that time is a fraction of this.
   */
  growthBytes: 128 * 1024 * 1024,
  /** Bytes that each isolate adds which was loaded meanwhile: 2.4 MB idle, three times that when it begins to work. */
  newIsolateBytes: 8 * 1024 * 1024,
  /** Milliseconds that a suspect stays in a process of its own: a plugin that crashes at all mostly does it again soon. */
  apartMs: 600_000,
  /** Milliseconds without an isolate after which a process is let go; it is 90 MB. */
  emptyMs: 60_000,
  /** Milliseconds until the process that is kept ahead of need is replaced: first those who wait are served. */
  aheadMs: 250,
  /** Share of the core's time that the messages of one host may take for a while (ms), before it is taken for a flood. */
  floodShare: 0.6,
  floodMs: 1_500,
  /** Pieces of output of a host that reach the log in a minute: a stack trace is a few, and nobody reads more. */
  outputPerMinute: 100,
  /** Host processes for uploads: strangers share one with fewer others, and each costs 90 MB. */
  strangersPerCore: 0.5,
  strangersAtMost: 8,
  /** First and longest pause before a host that died is started again, in milliseconds. */
  respawnMs: { first: 0, longest: 5_000 },
  /** A host that lived as long (ms) is taken for sound again: the pauses start over. */
  soundAfterMs: 10_000,
} as const;

const MIB = 1024 * 1024;

/** One limit of a plugin. */
export interface LimitSpec {
  /** What it gets when neither its manifest nor the admin says anything. */
  readonly default: number;
  /** The least that may be asked for: below it nothing works at all. */
  readonly least: number;
  /** The most that is given, whoever asks; the operator may set another (STREAMSPACE_PLUGIN_CEILINGS). */
  readonly ceiling: number;
  /** What it counts, for people. */
  readonly about: string;
}

/** What each plugin may use. The manifest asks, the admin sets, the ceiling wins. */
export const PLUGIN_LIMITS = {
  /** Room for a parser and a few documents; 100 plugins stay under the memory of a small machine. */
  memoryMb: { default: 64, least: 8, ceiling: 512, about: 'MiB of memory' },
  /** A page of templates takes 5; at most this may quick plugins delay others. */
  cpuMsPerCall: { default: 500, least: 1, ceiling: 10_000, about: 'Milliseconds of computing without a pause' },
  /** Half a core: what a busy plugin needs, and one that computes all the time leaves as much to the others. */
  cpuMsPerMinute: { default: 30_000, least: 1, ceiling: 60_000, about: 'Milliseconds of computing in a minute' },
  /** As long as most clients wait. */
  wallMsPerCall: { default: 30_000, least: 10, ceiling: 300_000, about: 'Milliseconds that one call may take' },
  /** For the top level and `onLoad`: an install that hangs is worse than one that fails. */
  loadMs: { default: 10_000, least: 100, ceiling: 60_000, about: 'Milliseconds for loading, `onLoad` included' },
  /** Each holds a request and its body in the core; so many wait only when the plugin, or what it asks, hangs. */
  callsInFlight: { default: 256, least: 1, ceiling: 4_096, about: 'Requests, events, jobs and calls under way' },
  /** Each holds its input and a deadline in the core; the database takes a twelfth of it at a time. */
  hostCallsInFlight: { default: 256, least: 1, ceiling: 1_024, about: 'Calls into the core under way' },
  /** 36 Mbit/s: an API client uses a thousandth, and one plugin does not fill a common uplink. */
  outboundBytesPerMinute: {
    default: 256 * MIB,
    least: 1,
    ceiling: 8_192 * MIB,
    about: 'Bytes that `fetch` (bodies) and `connect` send and receive in a minute',
  },
  /** 100 a second: a busy plugin logs each request, a loop does not fill the disk. */
  logLinesPerMinute: { default: 6_000, least: 1, ceiling: 60_000, about: 'Lines of log in a minute' },
  /** Settings and state; larger things are files. */
  storageBytes: {
    default: DEFAULT_STORAGE_QUOTA.bytes,
    least: 0,
    ceiling: 4_096 * MIB,
    about: 'Bytes of keys and values in storage',
  },
  /** Some millions of rows: an empty database is 7.5 MiB, and each upgrade keeps a copy. */
  databaseBytes: { default: 1_024 * MIB, least: 16 * MIB, ceiling: 65_536 * MIB, about: 'Bytes of the database' },
  /** Documents and pictures; a library of recordings asks for more. The ceiling is a disk of 16 TiB. */
  filesBytes: {
    default: DEFAULT_FILES_QUOTA.bytes,
    least: 0,
    ceiling: 16 * 1_024 * 1_024 * MIB,
    about: 'Bytes of files',
  },
  /** Each is a row of half a kilobyte; ten million are an index of 5 GB. */
  filesCount: { default: DEFAULT_FILES_QUOTA.files, least: 0, ceiling: 10_000_000, about: 'Files that it may keep' },
  /** A timer for each of ten thousand things is much; they take 2 MB of the plugin's own memory. */
  timers: { default: 10_000, least: 1, ceiling: 100_000, about: 'Timers that wait' },
  /** A recording of an hour; an answer without end is cut, whatever the client takes. */
  responseBytes: { default: 1_024 * MIB, least: 1, ceiling: 65_536 * MIB, about: "Bytes of one endpoint's answer" },
} as const satisfies Readonly<Record<string, LimitSpec>>;

/** Calls of a plugin into the core in a minute, by capability; `default` is for each that has no line. */
export const HOST_CALL_LIMITS: Readonly<Record<string, LimitSpec>> = {
  /** 500 a second: a tenth of what the database answers, and ten for each of 50 requests a second. */
  default: { default: 30_000, least: 1, ceiling: 600_000, about: 'Calls of one capability in a minute' },
  /** 50 a second: services on the internet ban whoever asks them more often. */
  fetch: { default: 3_000, least: 1, ceiling: 60_000, about: 'Requests to the network in a minute' },
  /** 16 new sockets a second, at three calls each: who needs more keeps them open. */
  connect: { default: 3_000, least: 1, ceiling: 60_000, about: 'Calls of sockets in a minute' },
  /** 50 a second: each event is a row, and one more for each plugin that hears it. */
  events: { default: 3_000, least: 1, ceiling: 60_000, about: 'Calls of events in a minute' },
};

export type LimitName = keyof typeof PLUGIN_LIMITS;

/** What one plugin may use, as it was resolved. */
export type PluginLimits = Readonly<Record<LimitName, number>> & {
  /** By capability; `default` for each that has no line. */
  readonly hostCallsPerMinute: Readonly<Record<string, number>>;
};
