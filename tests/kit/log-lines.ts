/** One line of the core's log (pino). */
export interface LogLine {
  readonly level?: string;
  readonly msg?: string;
  readonly event?: string;
  readonly plugin?: string;
  readonly [field: string]: unknown;
}

export interface LogLines {
  readonly lines: readonly LogLine[];
  /** Resolves with the first line, read or to come, that fits. @throws Error when none came in time, or the log ended */
  line(fits: (line: LogLine) => boolean, what: string, ms?: number): Promise<LogLine>;
}

/** Reads a process' output line by line, to its end, so that the pipe never fills. */
export function readLog(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): LogLines {
  const lines: LogLine[] = [];
  const waiting = new Set<(line: LogLine | null) => void>();
  let ended = false;

  const add = (text: string): void => {
    const line: LogLine = text.startsWith('{') ? (JSON.parse(text) as LogLine) : { msg: text };
    lines.push(line);
    for (const look of waiting) look(line);
  };
  const end = (): void => {
    ended = true;
    for (const look of waiting) look(null);
  };
  const read = async (): Promise<void> => {
    let rest = '';
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) add(part);
    }
  };
  read().then(end, end);

  return {
    lines,
    line(fits, what, ms = 10_000) {
      const known = lines.find(fits);
      if (known !== undefined) return Promise.resolve(known);
      const tail = () => lines.slice(-20).map((line) => JSON.stringify(line));
      if (ended) return Promise.reject(new Error(`${what}: the log has ended:\n${tail().join('\n')}`));
      return new Promise((resolve, reject) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        const look = (line: LogLine | null): void => {
          if (line !== null && !fits(line)) return;
          done();
          if (line === null) reject(new Error(`${what}: the log ended:\n${tail().join('\n')}`));
          else resolve(line);
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`${what}: not in the log within ${ms} ms:\n${tail().join('\n')}`));
        }, ms);
        waiting.add(look);
      });
    },
  };
}
