import { type GuestHost, type Invocation, Later, Reply } from '../_kit/guest.ts';
import { assertJson, assertSize } from '../_kit/json.ts';
import type { StreamSpace } from '../sdk.ts';

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS' | 'ALL';

/** The account that is signed in at the caller's side. */
export interface RequestUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: 'admin' | 'user';
}

/** What a handler gets beside the standard Request. It inherits from `streamspace`, so `ctx.storage` works too. */
export interface RequestContext<Body = unknown> extends StreamSpace {
  /** Parameters of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Query parameters; of those that are there twice the last. Converted as `validation.query` says. */
  readonly query: Readonly<Record<string, unknown>>;
  /** The parsed and validated JSON body; undefined unless the endpoint has `validation.body`. */
  readonly body: Body;
  /** The signed-in user; null on a public endpoint without one. */
  readonly user: RequestUser | null;
  /** Aborted when the client goes away or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Lets work go on after the answer; errors go to the log. */
  waitUntil(promise: Promise<unknown>): void;
  /** Answers with JSON. */
  json(value: unknown, status?: number): Response;
  /** Sets the status of what the other helpers answer. */
  status(code: number): this;
  /** Answers with text. */
  send(text: string): Response;
  /** Adds a header to what the other helpers answer. */
  header(name: string, value: string): this;
}

/** Answers a Response, or any value that becomes JSON; nothing becomes 204. */
export type Handler<Body = unknown> = (request: Request, ctx: RequestContext<Body>) => unknown;

/** Runs around each handler that is registered after it; `next()` answers the inner Response. */
export type Middleware = (request: Request, ctx: RequestContext, next: () => Promise<Response>) => unknown;

export interface EndpointOptions {
  /** Who may call: `user` (the default) is anyone signed in, `public` anyone at all. */
  auth?: 'public' | 'user' | 'admin';
  /** Permissions that the signed-in user needs, all of them. */
  permissions?: readonly string[];
  /** At most `max` calls a caller and window: milliseconds, or `'30s'`, `'1m'`, `'1h'`. Over it: 429. */
  rateLimit?: { readonly max: number; readonly window: number | string };
  /** JSON Schemas: what does not fit is answered with 422 before the handler runs. */
  validation?: { readonly body?: object; readonly query?: object; readonly params?: object };
  /** One line for the OpenAPI document. */
  summary?: string;
}

export interface Endpoint<Body = unknown> extends EndpointOptions {
  readonly method?: HttpMethod | Lowercase<HttpMethod>;
  /** Below the plugin's prefix: `/users/:id`, `/pages/*`; or absolute, inside the prefix. */
  readonly path: string;
  readonly handler: Handler<Body>;
}

type Shortcut = <Body = unknown>(path: string, handler: Handler<Body>, options?: EndpointOptions) => void;

/** `streamspace.api`: endpoints at `/api/plugins/<name>/...`, which come and go with the plugin. */
export interface ApiApi {
  /**
   * Registers an endpoint. Throws a TypeError when it is not well formed; a refusal by the core fails the load.
   *
   * @example
   * ```ts
   * streamspace.api.registerEndpoint<{ text: string }>({
   *   method: 'POST',
   *   path: '/notes/:list',
   *   rateLimit: { max: 60, window: '1m' },
   *   validation: {
   *     body: { type: 'object', required: ['text'], properties: { text: { type: 'string', maxLength: 1000 } } },
   *   },
   *   handler: async (_request, ctx) => {
   *     await ctx.storage.set(`${ctx.params.list}/${crypto.randomUUID()}`, ctx.body.text);
   *     return ctx.json({ added: true }, 201);
   *   },
   * });
   * ```
   */
  registerEndpoint<Body = unknown>(endpoint: Endpoint<Body>): void;
  /**
   * `registerEndpoint` with the method GET; likewise the others.
   *
   * @example
   * ```ts
   * const { api, storage } = streamspace;
   * api.get('/notes/:id', (_request, { params }) => storage.get(`notes/${params.id}`), { auth: 'public' });
   * ```
   */
  readonly get: Shortcut;
  readonly post: Shortcut;
  readonly put: Shortcut;
  readonly patch: Shortcut;
  readonly delete: Shortcut;
  readonly all: Shortcut;
  /**
   * Adds a middleware around the handlers that are registered after it.
   *
   * @example
   * ```ts
   * streamspace.api.use(async (request, { log }, next) => {
   *   const response = await next();
   *   log.debug('answered', { url: request.url, status: response.status });
   *   return response;
   * });
   * ```
   */
  use(middleware: Middleware): void;
  /**
   * Hands all requests below `path` (default: the whole prefix) to a fetch handler, such as a Hono app. The handler
   * sees URLs whose path begins after the mount point.
   *
   * @example
   * ```ts
   * streamspace.api.mount((request) => new Response(`you asked for ${new URL(request.url).pathname}`), { path: '/pages' });
   * ```
   */
  mount(
    handler: { fetch: (request: Request) => unknown } | ((request: Request) => unknown),
    options?: MountOptions,
  ): void;
}

export interface MountOptions extends EndpointOptions {
  readonly path?: string;
}

/** What the core sends along with a request. */
interface RequestHead {
  readonly m: string;
  readonly u: string;
  /** Field lines: `name:value\n` each. */
  readonly h: string;
  readonly p: Record<string, string>;
  readonly q?: Record<string, unknown>;
  readonly user: RequestUser | null;
}

type BodyParts =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary'; readonly latin1: string }
  | { readonly kind: 'stream'; readonly stream: ReadableStream<Uint8Array> };

/** The web platform's fast paths, which the prelude passes in. */
export interface ApiWeb {
  makeRequest(
    head: { method: string; url: string; headers: string },
    body: { text: string | null; binary: boolean; stream: ReadableStream<Uint8Array> | null },
    signal: { readonly signal: AbortSignal },
  ): Request;
  readResponse(response: Response): { status: number; headers: [string, string][]; body: BodyParts };
  /** `instanceof` is the guest's to patch. */
  isResponse(value: unknown): value is Response;
  /** Query parameters of a URL; of those that are there twice the last. */
  queryOf(url: string): Record<string, string>;
  /** The bytes of a text that has one char a byte. */
  bytesOf(latin1: string): Uint8Array<ArrayBuffer>;
  /** UTF-8. */
  encode(text: string): Uint8Array<ArrayBuffer>;
}

/** Characters of a body that go inside the answer; more is streamed, so that one answer does not hold up the others. */
const INLINE_CHARS = 300_000;
/** Characters of an answer that is made as a whole: it is held twice while it is sent. What is larger is streamed. */
const MAX_CHARS = 32 * 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const JSON_HEADERS: [string, string][] = [['content-type', 'application/json']];

export function createApi(host: GuestHost, web: ApiWeb, streamspace: object): ApiApi {
  const middlewares: Middleware[] = [];
  // Taken now: what the plugin does to its globals later changes nothing here.
  const { Response } = globalThis;
  const { json: jsonResponse } = Response;
  const { parse, stringify } = JSON;
  const { defineProperty } = Object;

  class Context {
    readonly #head: RequestHead;
    readonly #invocation: Invocation;
    readonly #parsed: boolean;
    #query: Record<string, unknown> | undefined;
    #status = 200;
    #headers: [string, string][] = [];
    /** What a helper made last: the answer of a handler that returns nothing. */
    answered: Response | undefined;

    constructor(head: RequestHead, invocation: Invocation, parsed: boolean) {
      this.#head = head;
      this.#invocation = invocation;
      this.#parsed = parsed;
    }
    get params(): Record<string, string> {
      return this.#head.p;
    }
    get query(): Record<string, unknown> {
      this.#query ??= this.#head.q ?? web.queryOf(this.#head.u);
      return this.#query;
    }
    get body(): unknown {
      const value = this.#parsed && this.#invocation.body !== null ? parse(this.#invocation.body) : undefined;
      defineProperty(this, 'body', { __proto__: null, value } as PropertyDescriptor);
      return value;
    }
    get user(): RequestUser | null {
      return this.#head.user;
    }
    get signal(): AbortSignal {
      return this.#invocation.signal;
    }
    waitUntil(promise: Promise<unknown>): void {
      this.#invocation.waitUntil(promise);
    }
    status(code: number): this {
      this.#status = code;
      return this;
    }
    header(name: string, value: string): this {
      this.#headers[this.#headers.length] = [name, value];
      return this;
    }
    json(value: unknown, status?: number): Response {
      return this.#answer(jsonResponse(value, { status: status ?? this.#status }));
    }
    send(text: string): Response {
      return this.#answer(new Response(text, { status: this.#status }));
    }
    #answer(response: Response): Response {
      // By index: the iterator of Array.prototype is the guest's to patch.
      for (let at = 0; at < this.#headers.length; at += 1) {
        const pair = this.#headers[at] as [string, string];
        response.headers.append(pair[0], pair[1]);
      }
      this.answered = response;
      return response;
    }
  }
  Object.setPrototypeOf(Context.prototype, streamspace);

  function reply(value: unknown, ctx: Context): Reply {
    const answer = value === undefined ? ctx.answered : value;
    if (answer === undefined) return new Reply({ s: 204, h: [] }, '', false);
    if (!web.isResponse(answer)) {
      assertSize(answer, MAX_CHARS);
      return inline(200, JSON_HEADERS, stringify(answer) ?? 'null', false);
    }
    const { status, headers, body } = web.readResponse(answer);
    switch (body.kind) {
      case 'none':
        return new Reply({ s: status, h: headers }, '', false);
      case 'text':
        return inline(status, headers, body.text, false);
      case 'binary':
        return inline(status, headers, body.latin1, true);
      case 'stream':
        return new Reply({ s: status, h: headers, stream: host.writeStream(body.stream) }, '', false);
    }
  }

  function inline(status: number, headers: [string, string][], text: string, binary: boolean): Reply {
    if (text.length <= INLINE_CHARS) return new Reply({ s: status, h: headers }, text, binary);
    if (text.length > MAX_CHARS) throw new RangeError(`The answer is longer than ${MAX_CHARS} characters: stream it`);
    const bytes = binary ? web.bytesOf(text) : web.encode(text);
    const { body } = new Response(bytes);
    if (body === null) throw new TypeError('the answer has no body');
    return new Reply({ s: status, h: headers, stream: host.writeStream(body), length: bytes.length }, '', false);
  }

  function add(endpoint: Endpoint<never>, rewrite: ((request: Request) => Request) | null): void {
    const { handler } = endpoint;
    if (typeof handler !== 'function') throw new TypeError(`api: the handler of "${endpoint.path}" is not a function`);
    const chain = middlewares.slice();
    const parsed = endpoint.validation?.body !== undefined;

    host.register(
      'api.register',
      wireOf(endpoint, `/api/plugins/${host.plugin.name}`),
      (head: RequestHead, invocation) => {
        const stream = invocation.stream === null ? null : host.readStream(invocation.stream);
        const made = web.makeRequest(
          { method: head.m, url: head.u, headers: head.h },
          { text: invocation.body, binary: invocation.binary, stream },
          invocation,
        );
        const request = rewrite === null ? made : rewrite(made);
        const ctx = new Context(head, invocation, parsed);
        const context = ctx as unknown as RequestContext<never>;
        const answer = chain.length === 0 ? handler(request, context) : around(chain, request, ctx, handler);
        if (isThenable(answer)) return new Later(answer, (value) => reply(value, ctx));
        return reply(answer, ctx);
      },
    );
  }

  async function around(
    chain: Middleware[],
    request: Request,
    ctx: Context,
    handler: Handler<never>,
  ): Promise<unknown> {
    const run = async (at: number): Promise<Response> => {
      const middleware = chain[at];
      const value =
        middleware === undefined
          ? await handler(request, ctx as unknown as RequestContext<never>)
          : await middleware(request, ctx as unknown as RequestContext, () => run(at + 1));
      const answer = value === undefined ? ctx.answered : value;
      if (web.isResponse(answer)) return answer;
      return answer === undefined ? new Response(null, { status: 204 }) : jsonResponse(answer);
    };
    return run(0);
  }

  const shortcut =
    (method: HttpMethod): Shortcut =>
    (path, handler, options = {}) =>
      add({ ...options, method, path, handler: handler as Handler<never> }, null);

  return {
    registerEndpoint: (endpoint) => add(endpoint as unknown as Endpoint<never>, null),
    get: shortcut('GET'),
    post: shortcut('POST'),
    put: shortcut('PUT'),
    patch: shortcut('PATCH'),
    delete: shortcut('DELETE'),
    all: shortcut('ALL'),
    use(middleware) {
      if (typeof middleware !== 'function') throw new TypeError('api.use: the middleware is not a function');
      middlewares.push(middleware);
    },
    mount(target, { path = '/', ...options } = {}) {
      const fetchHandler = typeof target === 'function' ? target : (request: Request) => target.fetch(request);
      const base = path.replace(/\/+$/, '');
      const rewrite = (request: Request): Request => {
        const url = new URL(request.url);
        // The prefix as it was asked for: the plugin also answers under its alias.
        const after = url.pathname.split('/').slice(4 + (base === '' ? 0 : base.split('/').length - 1));
        url.pathname = `/${after.join('/')}`;
        return new Request(url, request);
      };
      const handler = (request: Request): unknown => fetchHandler(request);
      add({ ...options, method: 'ALL', path: `${base}/*`, handler }, rewrite);
      add({ ...options, method: 'ALL', path: base === '' ? '/' : base, handler }, rewrite);
    },
  };
}

/** Whether it has to be waited for; `instanceof Promise` is the guest's to patch. */
function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** The endpoint as the contract has it. */
function wireOf(endpoint: Endpoint<never>, prefix: string): object {
  const { handler: _handler, ...said } = endpoint;
  assertJson(said, 'api');
  const { path, rateLimit } = said;
  if (typeof path !== 'string') throw new TypeError('api: the path is not a string');
  const relative = path === prefix || path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path;
  return {
    method: (endpoint.method ?? 'GET').toUpperCase(),
    path: relative.startsWith('/') ? relative : `/${relative}`,
    auth: endpoint.auth ?? 'user',
    permissions: endpoint.permissions ?? [],
    rateLimit: rateLimit === undefined ? null : { max: rateLimit.max, windowMs: milliseconds(rateLimit.window) },
    validation: endpoint.validation ?? null,
    summary: endpoint.summary ?? null,
  };
}

function milliseconds(window: number | string): number {
  if (typeof window === 'number') return window;
  const match = /^(\d+)\s*(ms|s|m|h|d)$/.exec(window);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new TypeError(`api: "${window}" is not a time such as "30s" or "1m"`);
  return Number(match[1]) * unit;
}
