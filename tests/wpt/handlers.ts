/** Answers what the suite leaves to a script of its server. */
export type Handler = (request: Request, query: URLSearchParams) => Response | Promise<Response>;

/** Milliseconds and lines that a slow answer takes when the test does not say. */
const TRICKLE = { ms: 500, count: 50 };
const TEXT = { 'content-type': 'text/plain' };

/** The few scripts that tests of our areas ask, by path: each does what its name says. One set a server: they remember. */
export function createHandlers(): ReadonlyMap<string, Handler> {
  return new Map<string, Handler>([
    ['/fetch/api/resources/echo-content.py', echo],
    ['/fetch/api/resources/inspect-headers.py', inspectHeaders],
    ['/fetch/api/resources/trickle.py', trickle],
    ['/fetch/api/request/resources/cache.py', createCacheable()],
  ]);
}

async function echo(request: Request): Promise<Response> {
  const { headers, method } = request;
  return new Response(await request.bytes(), {
    headers: {
      ...TEXT,
      'x-request-method': method,
      'x-request-content-length': headers.get('content-length') ?? 'NO',
      'x-request-content-type': headers.get('content-type') ?? 'NO',
    },
  });
}

/** Answers the request's headers of those names with `x-request-` before them. */
function inspectHeaders(request: Request, query: URLSearchParams): Response {
  const headers = new Headers(TEXT);
  for (const name of query.get('headers')?.split('|') ?? []) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(`x-request-${name}`, value);
  }
  return new Response(null, { headers });
}

/** A body that comes line by line. */
function trickle(_request: Request, query: URLSearchParams): Response {
  const ms = Number(query.get('ms') ?? TRICKLE.ms);
  let left = Number(query.get('count') ?? TRICKLE.count);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(ms);
      controller.enqueue(new TextEncoder().encode('TEST_TRICKLE\n'));
      left -= 1;
      if (left <= 0) controller.close();
    },
  });
  return new Response(body, { headers: query.has('notype') ? {} : TEXT });
}

/** An answer that may be kept, and afterwards the caching headers of each request that asked for it. */
function createCacheable(): Handler {
  const asked = new Map<string, Record<string, string>[]>();
  const NOTED = ['If-None-Match', 'If-Modified-Since', 'Pragma', 'Cache-Control'];
  return ({ headers }, query) => {
    const token = query.get('token') ?? '';
    const requests = asked.get(token) ?? [];
    if (query.has('querystate')) {
      asked.delete(token);
      return new Response(JSON.stringify(requests), { headers: TEXT });
    }
    const noted = query.has('ignore') ? [] : NOTED.filter((name) => headers.has(name));
    asked.set(token, [...requests, Object.fromEntries(noted.map((name) => [name, headers.get(name) ?? '']))]);
    const answered = new Headers();
    const tag = query.get('tag');
    const date = query.get('date');
    if (tag) answered.set('etag', `"${tag}"`);
    else if (date) answered.set('last-modified', date);
    for (const name of ['expires', 'vary', 'cache_control']) {
      const value = query.get(name);
      if (value) answered.set(name.replace('_', '-'), value);
    }
    const redirect = query.get('redirect');
    if (redirect) {
      answered.set('location', redirect);
      return new Response(null, { status: 302, headers: answered });
    }
    const fresh =
      (tag && headers.get('if-none-match') === `"${tag}"`) || (date && headers.get('if-modified-since') === date);
    if (fresh) return new Response(null, { status: 304, headers: answered });
    answered.set('content-type', 'text/plain');
    return new Response(query.get('content'), { headers: answered });
  };
}
