import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';
import { findTarget, type Target } from './credentials.ts';
import { Failure, type Problem, ProblemError } from './failure.ts';

interface Call {
  readonly json?: unknown;
  readonly form?: FormData;
  /** A gzip file, as it is read. */
  readonly stream?: ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** A signed-in connection to a host's REST API. */
export interface Client {
  readonly target: Target;
  /** Answers the decoded body, or undefined for an empty one. Errors: `ProblemError`, `Failure` when nobody is there. */
  call<T>(method: string, path: string, options?: Call): Promise<T>;
  /** Answers the body as it comes. Same errors. */
  download(method: string, path: string, options?: Call): Promise<ReadableStream<Uint8Array>>;
  /** Reads a stream of server-sent events until it ends or the signal aborts. */
  events(path: string, signal: AbortSignal): AsyncIterable<EventSourceMessage>;
}

/** Connects to the host that the environment or `login` names. */
export function connect(): Client {
  return createClient(findTarget());
}

export function createClient(target: Target): Client {
  async function request(method: string, path: string, options: Call & { accept: string }): Promise<Response> {
    const headers = new Headers({ accept: options.accept });
    if (target.token !== null) headers.set('authorization', `Bearer ${target.token}`);
    if (options.json !== undefined) headers.set('content-type', 'application/json');
    if (options.stream !== undefined) headers.set('content-type', 'application/gzip');
    const body = options.json === undefined ? (options.stream ?? options.form) : JSON.stringify(options.json);
    const init: RequestInit = { method, headers, redirect: 'manual' };
    if (body !== undefined) init.body = body;
    if (options.signal !== undefined) init.signal = options.signal;
    let response: Response;
    try {
      response = await fetch(target.url + path, init);
    } catch (cause) {
      if (options.signal?.aborted) throw cause;
      throw new Failure(`Nothing answers at ${target.url}`, {
        help: 'Start the host, or name another with `streamspace login <url>` or STREAMSPACE_URL.',
        cause,
      });
    }
    if (!response.ok) throw new ProblemError(await readProblem(response, target));
    return response;
  }

  return {
    target,
    async call<T>(method: string, path: string, options: Call = {}): Promise<T> {
      const response = await request(method, path, { ...options, accept: 'application/json' });
      const text = await response.text();
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    async download(method, path, options = {}) {
      const response = await request(method, path, { ...options, accept: 'application/json' });
      return response.body ?? new Blob([]).stream();
    },
    async *events(path, signal) {
      const response = await request('GET', path, { signal, accept: 'text/event-stream' });
      if (response.body === null) return;
      const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      yield* events;
    },
  };
}

async function readProblem(response: Response, target: Target): Promise<Problem> {
  const text = await response.text();
  const fallback = { status: response.status, title: `${target.url} answered ${response.status}` };
  if (!response.headers.get('content-type')?.includes('json')) {
    return { ...fallback, help: 'Is that the address of a StreamSpace host?' };
  }
  const problem = { ...fallback, ...(JSON.parse(text) as object) };
  return response.status === 401 ? { ...problem, help: 'Run `streamspace login`, or set STREAMSPACE_TOKEN.' } : problem;
}
