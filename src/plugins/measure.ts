import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { type CallFrame, type CpuProfile, joinProfiles } from './cpu-profile.ts';
import { sourceUrl } from './debugger-view.ts';
import type { Inspections, InspectorSession } from './inspections.ts';
import type { Plugin } from './plugin.ts';
import type { Actor } from './requests.ts';
import type { StackMapper } from './source-map.ts';

/** Limits of profiles and heap snapshots: data, with the reason beside each number. */
export const MEASURE_LIMITS = {
  /** Seconds of a profile, and before a snapshot: below those after which idle connections are closed. */
  seconds: 60,
  /** Microseconds between two samples: as DevTools has it. */
  samplingUs: 200,
  /** Milliseconds of a piece of a profile: V8 watches the thread that it was begun on, which the isolate may leave. */
  pieceMs: 250,
  /** Milliseconds that V8 may take for an answer: a snapshot of the largest heap that a plugin may have. */
  answerMs: 60_000,
  /** Bytes of a heap snapshot, which wait in the core's memory for a slow reader: three times the usual heap. */
  snapshotBytes: 256 * 1024 * 1024,
} as const;

const CHUNK = '{"method":"HeapProfiler.addHeapSnapshotChunk"';

/** Calls of the protocol over one session, and the answers to them. */
class Calls {
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  /** Rejects when the session is over. */
  readonly #over = Promise.withResolvers<never>();
  #session: InspectorSession | null = null;
  #lastId = 0;
  /** Told of notifications, as text. */
  onNotification: (message: string) => void = () => undefined;

  static async open(inspections: Inspections, plugin: Plugin, actor: Actor, purpose: 'profile' | 'heap-snapshot') {
    const calls = new Calls();
    calls.#over.promise.catch(() => undefined);
    calls.#session = await inspections.open(plugin, actor, purpose, {
      onMessage: (message) => calls.#onMessage(message),
      onEnd: (reason) =>
        calls.#over.reject(new CodedError('plugin_unavailable', `Not finished: ${reason}`, { retryAfter: 1 })),
    });
    return calls;
  }

  get stacks(): StackMapper {
    return this.#opened.instance.parts.stacks;
  }

  async call(method: string, params: object = {}): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const late = (): void => answer.reject(new CodedError('deadline_exceeded', `V8 does not answer ${method}`));
    const timer = setTimeout(late, MEASURE_LIMITS.answerMs);
    try {
      this.#opened.send(JSON.stringify({ id, method, params }));
      return await Promise.race([answer.promise, this.#over.promise]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Waits, unless whoever asked goes away. @throws CodedError `aborted`, `plugin_unavailable` when the session is over */
  async wait(seconds: number, signal: AbortSignal): Promise<void> {
    const gone = Promise.withResolvers<never>();
    const leave = (): void => gone.reject(new CodedError('aborted'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
    try {
      await Promise.race([Bun.sleep(seconds * 1000), gone.promise, this.#over.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  close(): void {
    this.#opened.close();
  }

  get #opened(): InspectorSession {
    if (this.#session === null) throw new Error('the session is not open yet');
    return this.#session;
  }

  #onMessage(message: string): void {
    if (message.startsWith('{"method":')) {
      this.onNotification(message);
      return;
    }
    const { id, result, error } = JSON.parse(message) as { id: number; result?: unknown; error?: { message: string } };
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new CodedError('plugin_unavailable', `V8 refuses: ${error.message}`));
  }
}

/**
 * Measures for some seconds where a plugin spends its time. It is put into an isolate of its own for that, and works on.
 *
 * @returns a CPU profile as DevTools reads it (`.cpuprofile`), in the author's files
 * @throws CodedError of `Inspections.open`, `aborted`
 */
export async function cpuProfile(
  inspections: Inspections,
  plugin: Plugin,
  actor: Actor,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<CpuProfile> {
  const calls = await Calls.open(inspections, plugin, actor, 'profile');
  try {
    await calls.call('Profiler.enable');
    await calls.call('Profiler.setSamplingInterval', { interval: MEASURE_LIMITS.samplingUs });
    await calls.call('Profiler.start');
    const pieces: CpuProfile[] = [];
    for (let left = seconds * 1000; left > 0; left -= MEASURE_LIMITS.pieceMs) {
      await calls.wait(Math.min(left, MEASURE_LIMITS.pieceMs) / 1000, signal);
      const isLast = left <= MEASURE_LIMITS.pieceMs;
      const [stopped] = await Promise.all([calls.call('Profiler.stop'), isLast ? null : calls.call('Profiler.start')]);
      pieces.push((stopped as { profile: CpuProfile }).profile);
    }
    return joinProfiles(pieces, (frame) => authorsPlace(frame, plugin.name, calls.stacks));
  } finally {
    calls.close();
  }
}

/** A place in the author's files. */
function authorsPlace(frame: CallFrame, plugin: string, stacks: StackMapper): CallFrame {
  const found = frame.url === `plugin:${plugin}` ? stacks.original(frame.lineNumber + 1, frame.columnNumber + 1) : null;
  if (found === null) return frame;
  const { source, line, column } = found;
  return { ...frame, url: sourceUrl(plugin, source), lineNumber: line - 1, columnNumber: column - 1 };
}

/**
 * Takes down all that is in a plugin's memory. It is put into an isolate of its own for that, where it works for some
 * seconds first: what was in the memory of the one before is gone.
 *
 * @returns the text of a `.heapsnapshot`, as DevTools reads it
 * @throws CodedError of `Inspections.open`, `aborted`
 */
export async function heapSnapshot(
  inspections: Inspections,
  plugin: Plugin,
  actor: Actor,
  { afterSeconds, signal }: { readonly afterSeconds: number; readonly signal: AbortSignal },
): Promise<ReadableStream<Uint8Array>> {
  const calls = await Calls.open(inspections, plugin, actor, 'heap-snapshot');
  try {
    await calls.call('HeapProfiler.enable');
    await calls.wait(afterSeconds, signal);
  } catch (error) {
    calls.close();
    throw error;
  }
  const encoder = new TextEncoder();
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      calls.onNotification = (message) => {
        if (!message.startsWith(CHUNK)) return;
        bytes += message.length;
        if (bytes > MEASURE_LIMITS.snapshotBytes) calls.close();
        else controller.enqueue(encoder.encode((JSON.parse(message) as { params: { chunk: string } }).params.chunk));
      };
      calls
        .call('HeapProfiler.takeHeapSnapshot', { reportProgress: false })
        .then(
          () => controller.close(),
          (error: unknown) => controller.error(error),
        )
        .finally(() => calls.close());
    },
    cancel: () => calls.close(),
  });
}
