import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../../sandbox-apis/log/levels.ts';
import type { Log } from '../log.ts';
import type { Redactor } from '../secrets/redact.ts';
import { currentScope } from '../telemetry/scope.ts';
import { PLUGIN_LOG_LIMITS, type PluginLogLimits } from './log-limits.ts';
import { cleanLine, type LogLine } from './log-line.ts';
import { LogReader } from './log-reader.ts';

export interface LogEntry {
  /** Grows with each line of the plugin, also over a restart of the core. */
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly isolate?: number;
  /** The HTTP request that it was written for, as far as that is known. */
  readonly requestId?: string;
  /** Of the span that it was written in, while tracing is on. */
  readonly traceId?: string;
  readonly spanId?: string;
}

export interface PluginLogs {
  /** Takes a line of a plugin, or of the core about it. Never throws, never waits; over the rate the line is dropped. */
  write(plugin: string, line: LogLine): void;
  /** The newest `limit` lines of `level` and above, with an id above `since`; the oldest of them first. */
  read(plugin: string, filter: { level?: LogLevel; since?: number; limit: number }): LogEntry[];
  /**
   * The lines from now on; ends when the plugin's log is dropped. Leave the loop (or call `return`) to end it.
   * @throws CodedError `quota_exceeded` when too many read it already
   */
  follow(plugin: string, filter?: { level?: LogLevel }): AsyncIterableIterator<LogEntry>;
  /** Forgets the plugin's lines and ends its readers. */
  drop(plugin: string): void;
}

/** How much a plugin may write. */
export interface LogRate {
  /** Counts one more line; false when it is one too many. @param from who writes it */
  mayLog(plugin: string, from: 'plugin' | 'core'): boolean;
  /** Lines a minute. */
  max(plugin: string): number;
}

export interface PluginLogsOptions {
  /** Each line also goes here, with the field `plugin`. */
  readonly log: Log;
  readonly redactor: Redactor;
  readonly rate: LogRate;
  readonly limits?: PluginLogLimits;
}

/** What is kept of one plugin. */
interface Kept {
  readonly log: Log;
  readonly entries: LogEntry[];
  readonly readers: Map<LogReader, LogLevel>;
  chars: number;
  lastId: number;
  dropped: number;
  /** Tells of dropped lines, once a second at most. */
  notice: Timer | null;
}

const NOTICE_MS = 1_000;
/** Memory of an entry besides its texts, in characters. */
const ENTRY_CHARS = 100;

/** The logs of the plugins: a ring of the newest lines of each in memory, and the core's own log. */
export function createPluginLogs({ log, redactor, rate, limits = PLUGIN_LOG_LIMITS }: PluginLogsOptions): PluginLogs {
  const plugins = new Map<string, Kept>();

  function keptOf(plugin: string): Kept {
    const known = plugins.get(plugin);
    if (known !== undefined) return known;
    const made: Kept = {
      log: log.child({ plugin }),
      entries: [],
      readers: new Map(),
      chars: 0,
      // Above the ids before a restart: nobody writes a thousand lines a millisecond.
      lastId: Date.now() * 1_000,
      dropped: 0,
      notice: null,
    };
    plugins.set(plugin, made);
    return made;
  }

  function countDropped(plugin: string, kept: Kept): void {
    kept.dropped += 1;
    kept.notice ??= setTimeout(() => {
      const message = `${kept.dropped} lines were dropped: more than ${rate.max(plugin)} a minute (logLinesPerMinute)`;
      kept.notice = null;
      kept.dropped = 0;
      append(plugin, kept, { level: 'warn', message });
    }, NOTICE_MS).unref();
  }

  function append(plugin: string, kept: Kept, line: LogLine): void {
    const { level, isolate } = line;
    const { message, fields } = cleanLine(line, redactor, plugin);
    kept.lastId += 1;
    const entry: LogEntry = {
      id: kept.lastId,
      time: new Date().toISOString(),
      level,
      message,
      ...(fields && { fields }),
      ...(isolate !== undefined && { isolate }),
      ...belongings(),
    };
    kept.entries.push(entry);
    kept.chars += sizeOf(entry);
    while (kept.entries.length > limits.keptLines || kept.chars > limits.keptChars) {
      const oldest = kept.entries.shift();
      kept.chars -= oldest === undefined ? kept.chars : sizeOf(oldest);
    }
    for (const [reader, least] of kept.readers) if (includes(least, level)) reader.push(entry);
    // pino's `fatal` flushes synchronously, and a plugin's end is not the core's.
    kept.log[level === 'fatal' ? 'error' : level](
      { ...(fields && { fields }), ...(isolate !== undefined && { isolate }) },
      message,
    );
  }

  return {
    write(plugin, line) {
      const kept = keptOf(plugin);
      if (rate.mayLog(plugin, line.isolate === undefined ? 'core' : 'plugin')) append(plugin, kept, line);
      else countDropped(plugin, kept);
    },

    read(plugin, { level = 'debug', since = 0, limit }) {
      const found: LogEntry[] = [];
      const entries = plugins.get(plugin)?.entries ?? [];
      for (let i = entries.length - 1; i >= 0 && found.length < limit; i -= 1) {
        const entry = entries[i];
        if (entry === undefined || entry.id <= since) break;
        if (includes(level, entry.level)) found.push(entry);
      }
      return found.reverse();
    },

    follow(plugin, { level = 'debug' } = {}) {
      const kept = keptOf(plugin);
      if (kept.readers.size >= limits.readers) {
        throw new CodedError('quota_exceeded', `${limits.readers} readers follow the log of "${plugin}" already`);
      }
      const reader: LogReader = new LogReader(limits.readerLines, () => kept.readers.delete(reader));
      kept.readers.set(reader, level);
      return reader;
    },

    drop(plugin) {
      const kept = plugins.get(plugin);
      if (kept === undefined) return;
      plugins.delete(plugin);
      if (kept.notice !== null) clearTimeout(kept.notice);
      for (const reader of [...kept.readers.keys()]) reader.end();
    },
  };
}

function includes(least: LogLevel, level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
}

function sizeOf({ message, fields }: LogEntry): number {
  return ENTRY_CHARS + message.length + (fields === undefined ? 0 : JSON.stringify(fields).length);
}

/** What a line that is written now belongs to. */
function belongings(): Pick<LogEntry, 'requestId' | 'traceId' | 'spanId'> {
  const scope = currentScope();
  if (scope === undefined) return {};
  const { requestId, span } = scope;
  return {
    ...(requestId !== null && { requestId }),
    ...(span !== null && { traceId: span.traceId, spanId: span.spanId }),
  };
}
