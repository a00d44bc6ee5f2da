/** Limits of the plugins' logs: data, with the reason beside each number. */
export interface PluginLogLimits {
  /** Lines and characters that are kept of a plugin for reading: a few screens, small in memory with 100 plugins. */
  readonly keptLines: number;
  readonly keptChars: number;
  /** Lines that wait for a reader who is slower than the log. */
  readonly readerLines: number;
  /** Readers of one plugin's log at a time: each costs a connection. */
  readonly readers: number;
}

export const PLUGIN_LOG_LIMITS: PluginLogLimits = {
  keptLines: 2_000,
  keptChars: 1_048_576,
  readerLines: 1_000,
  readers: 32,
};
