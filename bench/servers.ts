import { resolve } from 'node:path';
import type { LoadJob, LoadResult } from './load-job.ts';
import type { Children } from './processes.ts';

const START_MS = 10_000;
/** Milliseconds beyond its own time that a job may take: connecting, and waiting for the last answers. */
const JOB_GRACE_MS = 10_000;

interface LoadMessage {
  readonly ready?: true;
  readonly result?: LoadResult;
  readonly error?: string;
}

export interface Bare {
  readonly port: number;
  readonly pid: number;
}

/** Starts bare Elysia. */
export async function startBare(children: Children): Promise<Bare> {
  const { child, message } = await startChild<{ port: number }>(children, 'bare.ts', () => undefined);
  return { port: message.port, pid: child.pid };
}

/** The process that makes the load: one for the whole run, so that all that is measured meets it equally warm. */
export class LoadProcess {
  readonly #send: (job: LoadJob) => void;
  #waiting: { resolve: (result: LoadResult) => void; reject: (error: Error) => void } | null = null;

  private constructor(send: (job: LoadJob) => void) {
    this.#send = send;
  }

  static async start(children: Children): Promise<LoadProcess> {
    let receive = (_message: LoadMessage): void => undefined;
    const { child } = await startChild<LoadMessage>(children, 'load.ts', (message) => receive(message));
    const load = new LoadProcess((job) => child.send(job));
    receive = (message) => load.#receive(message);
    return load;
  }

  /** Runs one job at a time. @throws Error when the load could not be made; wrong answers are in the result */
  run(job: LoadJob): Promise<LoadResult> {
    const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
    this.#waiting = { resolve, reject };
    const timer = setTimeout(
      () => reject(new Error('the load process did not answer')),
      job.warmMs + job.durationMs + JOB_GRACE_MS,
    );
    this.#send(job);
    return promise.finally(() => clearTimeout(timer));
  }

  #receive({ result, error }: LoadMessage): void {
    if (result !== undefined) this.#waiting?.resolve(result);
    else this.#waiting?.reject(new Error(error ?? 'the load process sent something else than a result'));
  }
}

/** Starts a file of this folder and waits for its first message. */
async function startChild<Message>(children: Children, file: string, onMessage: (message: Message) => void) {
  const first = Promise.withResolvers<Message>();
  let isFirst = true;
  const child = children.add(
    Bun.spawn([process.execPath, resolve(import.meta.dir, file)], {
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc(message: Message) {
        if (isFirst) first.resolve(message);
        else onMessage(message);
        isFirst = false;
      },
      onExit: (_child, code) => first.reject(new Error(`${file} ended with ${code}`)),
    }),
  );
  const timer = setTimeout(() => first.reject(new Error(`${file} did not start`)), START_MS);
  try {
    return { child, message: await first.promise };
  } finally {
    clearTimeout(timer);
  }
}
