/** A request as a double saw it. */
export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
}

export interface HttpDouble {
  readonly url: string;
  /** `host:port`, as the permission `network:<host:port>` names it. */
  readonly authority: string;
  /** Oldest first. */
  readonly seen: readonly Seen[];
  stop(): Promise<void>;
}

/** A service on a free local port that answers as `answer` says. */
export function startHttpDouble(answer: (request: Seen) => Response): HttpDouble {
  const seen: Seen[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const entry = {
        method: request.method,
        path: pathname + search,
        headers: request.headers,
        text: await request.text(),
      };
      seen.push(entry);
      return answer(entry);
    },
  });
  const authority = `127.0.0.1:${server.port}`;
  return { url: `http://${authority}`, authority, seen, stop: () => server.stop(true) };
}
