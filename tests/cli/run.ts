import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Nothing of the one who runs the tests: no credentials, no host. And no cache of Bun's in that home. */
function environment(home: string, env: Readonly<Record<string, string>>): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: home, BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0', ...env };
}

/** Runs `streamspace` as a process of its own, without a terminal and with no more than the environment that is given. */
export async function streamspace(args: readonly string[], { cwd, env = {}, stdin = '' }: RunOptions): Promise<Ran> {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    cwd,
    env: environment(cwd, env),
    stdin: new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

/**
 * The same on a terminal of its own (a pty). What it asks is answered: when one of the texts is shown, its answer is
 * typed, once.
 */
export async function onTerminal(
  args: readonly string[],
  { cwd, env = {} }: RunOptions,
  answers: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly shown: string }> {
  const waiting = new Map(Object.entries(answers));
  const decoder = new TextDecoder();
  let shown = '';
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    cwd,
    env: environment(cwd, { TERM: 'xterm', ...env }),
    terminal: {
      cols: 120,
      rows: 40,
      data(terminal, bytes) {
        shown += decoder.decode(bytes, { stream: true });
        for (const [question, answer] of waiting) {
          if (!shown.includes(question)) continue;
          waiting.delete(question);
          terminal.write(`${answer}\r`);
        }
      },
    },
  });
  const code = await child.exited;
  child.terminal?.close();
  return { code, shown };
}

/** Starts it and goes on: for commands that end when they are told to. */
export function follow(args: readonly string[], { cwd, env = {} }: RunOptions) {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    cwd,
    env: environment(cwd, env),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const chunks = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let out = '';
  return {
    /** Resolves with what it printed so far when the text is in it; rejects when it ends without. */
    async until(text: string): Promise<string> {
      while (!out.includes(text)) {
        const { done, value } = await chunks.read();
        if (done) throw new Error(`it ended without "${text}":\n${out}`);
        out += value;
      }
      return out;
    },
    /** Ctrl-C. Answers the exit code. */
    interrupt(): Promise<number> {
      child.kill('SIGINT');
      return child.exited;
    },
  };
}
