import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPrelude } from '../../src/host/prelude.ts';

const root = join(import.meta.dir, '../..');

/** What a snippet did beside its value. */
export interface Told {
  readonly logs: [level: string, message: string][];
  readonly errors: string[];
  readonly wakes: number[];
}

interface Answer extends Told {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { name: string; message: string; stack?: string };
}

interface Options {
  readonly memoryLimit?: number;
  /** The code is the body of a plain function that answers a string; nothing it patched is used on the way back. */
  readonly sync?: boolean;
}

export interface Isolates {
  /** Runs the body of an async function in an isolate of its own; its value has to survive JSON. */
  run(code: string, options?: Options): Promise<unknown>;
  /** The same, with what it told the host. */
  tell(code: string, options?: Options): Promise<Told & { value: unknown }>;
  close(): Promise<void>;
}

/** Starts the pinned Node with the runner over a prelude; the default has the web platform alone. */
export async function startIsolates(entry: string = join(import.meta.dir, 'prelude-entry.ts')): Promise<Isolates> {
  const directory = mkdtempSync(join(tmpdir(), 'isolates-'));
  const prelude = join(directory, 'prelude.json');
  writeFileSync(prelude, await loadPrelude(directory, entry));
  const node = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  const runner = join(import.meta.dir, 'isolate-runner.cjs');
  const child = Bun.spawn([node, '--no-node-snapshot', runner, prelude], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  const reading = readLines(child.stdout, (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  }).then(() => {
    const error = { name: 'Error', message: 'the runner ended' };
    for (const [id, settle] of waiting) settle({ id, error, logs: [], errors: [], wakes: [] });
  });

  async function tell(code: string, options: Options = {}): Promise<Told & { value: unknown }> {
    const id = ++lastId;
    const answer = await new Promise<Answer>((settle) => {
      waiting.set(id, settle);
      child.stdin.write(`${JSON.stringify({ id, code, ...options })}\n`);
      child.stdin.flush();
    });
    if (answer.error) throw new Error(`${answer.error.name}: ${answer.error.message}`, { cause: answer.error.stack });
    return { value: answer.value, logs: answer.logs, errors: answer.errors, wakes: answer.wakes };
  }

  return {
    tell,
    run: async (code, options) => (await tell(code, options)).value,
    async close() {
      await child.stdin.end();
      await child.exited;
      await reading;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  }
}
