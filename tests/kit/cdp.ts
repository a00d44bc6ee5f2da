import { generatedPositionFor, LEAST_UPPER_BOUND, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { within } from './until.ts';

/** A notification of the Chrome DevTools Protocol. */
export interface Notification {
  readonly method: string;
  // biome-ignore lint/suspicious/noExplicitAny: each method has other parameters
  readonly params: any;
}

export interface Cdp extends AsyncDisposable {
  /** Sends a command; answers its result. @throws Error with what V8 says */
  // biome-ignore lint/suspicious/noExplicitAny: each method has another result
  call(method: string, params?: object): Promise<any>;
  /** Sends a text as it is. */
  raw(text: string | Uint8Array): void;
  /** The first notification, kept or coming, of that method that fits. */
  heard(
    method: string,
    fits?: (params: Notification['params']) => boolean,
    ms?: number,
  ): Promise<Notification['params']>;
  /** What came of that method so far. */
  all(method: string): Notification['params'][];
  /** Resolves when the connection is closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  close(): Promise<void>;
}

/** Connects as a debugger does. @throws Error when the connection is refused */
export async function connectCdp(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Cdp> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers } as unknown as string[]);
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const answers = new Map<number, PromiseWithResolvers<unknown>>();
  const kept: Notification[] = [];
  const listeners = new Set<(notification: Notification) => void>();
  let lastId = 0;
  socket.onopen = () => opened.resolve();
  socket.onerror = () => opened.reject(new Error(`${url} does not become a WebSocket`));
  socket.onclose = ({ code, reason }) => {
    opened.reject(new Error(`${url} is closed: ${code} ${reason}`));
    for (const { reject } of answers.values()) reject(new Error(`the session is closed: ${code} ${reason}`));
    closed.resolve({ code, reason });
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Notification & {
      id?: number;
      result?: unknown;
      error?: { message: string };
    };
    if (message.id === undefined) {
      kept.push(message);
      for (const listener of listeners) listener(message);
    } else if (message.error === undefined) answers.get(message.id)?.resolve(message.result);
    else answers.get(message.id)?.reject(new Error(message.error.message));
  };
  opened.promise.catch(() => undefined);
  await within(opened.promise, `${url} is open`, 20_000);

  const cdp: Cdp = {
    closed: closed.promise,
    async call(method, params = {}) {
      lastId += 1;
      const id = lastId;
      const answer = Promise.withResolvers<unknown>();
      answers.set(id, answer);
      socket.send(JSON.stringify({ id, method, params }));
      try {
        return await within(answer.promise, `${method} is answered`, 20_000);
      } finally {
        answers.delete(id);
      }
    },
    raw: (text) => socket.send(text as string),
    all: (method) => kept.filter((one) => one.method === method).map(({ params }) => params),
    async heard(method, fits = () => true, ms = 20_000) {
      const isIt = (one: Notification): boolean => one.method === method && fits(one.params);
      const before = kept.find(isIt);
      if (before !== undefined) return before.params;
      const found = Promise.withResolvers<unknown>();
      const listener = (one: Notification): void => {
        if (isIt(one)) found.resolve(one.params);
      };
      listeners.add(listener);
      try {
        return await within(found.promise, `${method} is heard of`, ms);
      } finally {
        listeners.delete(listener);
      }
    },
    async close() {
      socket.close();
      await within(closed.promise, 'the connection is closed');
    },
    [Symbol.asyncDispose]: () => cdp.close(),
  };
  return cdp;
}

/** The bundle of a plugin as V8 tells of it, and the way between its places and those of the author, as DevTools goes. */
export class MappedScript {
  readonly scriptId: string;
  readonly sources: readonly (string | null)[];
  readonly #map: TraceMap;

  constructor({ scriptId, sourceMapURL }: { scriptId: string; sourceMapURL: string }) {
    this.scriptId = scriptId;
    const base64 = /^data:application\/json;base64,(.*)$/.exec(sourceMapURL)?.[1] ?? '';
    this.#map = new TraceMap(Buffer.from(base64, 'base64').toString());
    this.sources = this.#map.sources;
  }

  /** For `Debugger.setBreakpoint`. @param line from 1 */
  location(source: string, line: number, column = 0): { scriptId: string; lineNumber: number; columnNumber: number } {
    const found = generatedPositionFor(this.#map, { source, line, column, bias: LEAST_UPPER_BOUND });
    if (found.line === null) throw new Error(`${source}:${line} is nowhere in the bundle`);
    return { scriptId: this.scriptId, lineNumber: found.line - 1, columnNumber: found.column };
  }

  /** `file:line` of a place that V8 names. */
  original({ lineNumber, columnNumber }: { lineNumber: number; columnNumber: number }): string {
    const { source, line } = originalPositionFor(this.#map, { line: lineNumber + 1, column: columnNumber });
    return `${source}:${line}`;
  }
}
