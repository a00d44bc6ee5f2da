import { createInterface } from 'node:readline';
import { type Load, type LoadTarget, SteadyLoad, type TargetReport } from '../tests/escapes/attacks/steady-load.ts';
import type { Children } from './processes.ts';

/** What the load process is asked, one JSON line each; it answers each with one. */
type Ask =
  | { readonly targets: readonly LoadTarget[] }
  | { readonly take: true }
  | { readonly settled: readonly [count: number, ms: number] };
type Answer = { readonly value: unknown } | { readonly error: string };

/** A steady load from a process of its own, so that what the bench does meanwhile delays no request. */
export class RemoteLoad implements Load {
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>) {
    this.#child = child;
    this.#answers = lines(child.stdout);
  }

  static async start(children: Children, targets: readonly LoadTarget[]): Promise<RemoteLoad> {
    const stdio = { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' } as const;
    const load = new RemoteLoad(children.add(Bun.spawn([process.execPath, import.meta.path], stdio)));
    await load.#ask({ targets });
    return load;
  }

  async take(): Promise<TargetReport[]> {
    return (await this.#ask({ take: true })) as TargetReport[];
  }

  async settled(count: number, ms: number): Promise<void> {
    await this.#ask({ settled: [count, ms] });
  }

  stop(): void {
    this.#child.stdin.end();
  }

  async #ask(ask: Ask): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(ask)}\n`);
    await this.#child.stdin.flush();
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the load process ended');
    const answer = JSON.parse(value) as Answer;
    if ('error' in answer) throw new Error(answer.error);
    return answer.value;
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

async function serve(): Promise<void> {
  let load: SteadyLoad | null = null;
  const answer = async (ask: Ask): Promise<unknown> => {
    if ('targets' in ask) {
      load = new SteadyLoad(ask.targets);
      return null;
    }
    if (load === null) throw new Error('there is no load yet');
    return 'take' in ask ? load.take() : load.settled(...ask.settled);
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const said: Answer = await answer(JSON.parse(line) as Ask).then(
      (value) => ({ value: value ?? null }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
  process.exit(0);
}

if (import.meta.main) await serve();
