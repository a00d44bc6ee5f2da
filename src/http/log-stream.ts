import type { LogLevel } from '../../sandbox-apis/log/levels.ts';
import type { LogEntry, PluginLogs } from '../plugins/plugin-log.ts';

export interface LogQuery {
  readonly level?: LogLevel | undefined;
  readonly since?: number | undefined;
  readonly limit: number;
  readonly follow: boolean;
  /** Id of this core: others have other lines. */
  readonly replica: string;
}

/** A comment line this often keeps proxies from closing a quiet stream. */
const KEEP_ALIVE_MS = 15_000;

/**
 * The log as server-sent events (WHATWG HTML, 9.2): `event: log`, the line as JSON, its id as the event's id. First what
 * is kept, then, unless `follow` is false, what comes.
 */
export function logStream(logs: PluginLogs, plugin: string, query: LogQuery, signal: AbortSignal): Response {
  const { level, since, limit, follow, replica } = query;
  const encoder = new TextEncoder();
  const format = (entry: LogEntry): Uint8Array =>
    encoder.encode(`id: ${entry.id}\nevent: log\ndata: ${JSON.stringify(entry)}\n\n`);
  const filter = level === undefined ? {} : { level };
  // Follow first, so that no line falls between what is kept and what comes.
  const coming = follow ? logs.follow(plugin, filter) : null;
  const kept = logs.read(plugin, { ...filter, ...(since === undefined ? {} : { since }), limit });
  let keepAlive: Timer | null = null;
  const end = (): void => {
    if (keepAlive !== null) clearInterval(keepAlive);
    void coming?.return?.();
  };
  signal.addEventListener('abort', end);

  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const entry of kept) controller.enqueue(format(entry));
      // Headers go out with the first bytes: a quiet log would look like one that does not answer.
      controller.enqueue(encoder.encode(': connected\n\n'));
      if (coming === null) {
        controller.close();
        return;
      }
      keepAlive = setInterval(() => controller.enqueue(encoder.encode(': keep-alive\n\n')), KEEP_ALIVE_MS);
    },
    async pull(controller) {
      if (coming === null) return;
      const next = await coming.next();
      if (next.done === true) {
        end();
        controller.close();
      } else {
        controller.enqueue(format(next.value));
      }
    },
    cancel: end,
  });
  return new Response(stream, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'streamspace-replica': replica,
    },
  });
}
