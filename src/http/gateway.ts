import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { RouteRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { RESERVED_SEGMENTS } from '../../sandbox-apis/api/broker.ts';
import { clientIp, type PeerSource } from '../auth/client-ip.ts';
import { isSafeMethod } from '../auth/csrf.ts';
import { demand, demandAdmin, type Principal } from '../auth/principal.ts';
import type { Auth } from '../auth/service.ts';
import { GuestFailure, type InvokeAnswer, type InvokeRequest } from '../host/guest.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { demandAwake } from '../permissions/resting.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Instance } from '../plugins/instance.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Plugin } from '../plugins/plugin.ts';
import type { RegistrationSet } from '../plugins/registrations.ts';
import { checkRequest } from '../plugins/route-checks.ts';
import { beginHandler, invokeIn } from '../telemetry/invoke.ts';
import { nameRoute } from '../telemetry/route.ts';
import { currentSpan } from '../telemetry/scope.ts';
import type { TraceSpan } from '../telemetry/span.ts';
import { answerHead, type LimitHeaders, withLimits } from './answer-head.ts';
import { requestHeaders } from './plugin-headers.ts';
import { problemResponse } from './problem.ts';
import { quotaHeaders, RateWindows } from './rate-windows.ts';
import { NO_BODY, type RequestBody, readBody } from './request-body.ts';

export interface GatewayDeps {
  readonly lifecycle: Lifecycle;
  readonly auth: Auth;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'http'>;
  /** An admin may have cut a plugin's `api`: its endpoints rest. */
  readonly switches: Pick<Switches, 'isOff'>;
  readonly trustProxy: number;
  /** Whether requests are traced. */
  readonly traces?: boolean;
}

const PREFIX = '/api/plugins/';
const ROUTE = '/api/plugins/:id/*';
/** Statuses whose answer has no body (RFC 9110). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** Rate limits by registration: they go when the registration goes. */
const limiters = new WeakMap<RouteRegistration, RateWindows>();

export interface Gateway {
  /** The answer of the plugin that lives at that address; null when no plugin does, and the core is to answer. */
  handle(request: Request, server: PeerSource): Response | Promise<Response> | null;
}

/**
 * Answers `/api/plugins/<name or alias>/...`. It stands before the core's own router, which is the dearer one, and leaves
 * to that what is the core's: reserved names, and reserved first segments below a plugin (RESERVED_SEGMENTS).
 */
export function createGateway(deps: GatewayDeps): Gateway {
  const { lifecycle, auth, log, metrics, switches, trustProxy, traces = false } = deps;
  return {
    handle(request, server) {
      const target = readTarget(request.url);
      if (target === null) return null;
      const plugin = lifecycle.byPrefix(target.prefix);
      if (plugin === undefined) return null;
      return answer(plugin, request, server, target);
    },
  };

  async function answer(plugin: Plugin, request: Request, server: PeerSource, target: Target): Promise<Response> {
    const started = performance.now();
    let response: Response;
    try {
      response = await run(plugin, request, server, target, null);
    } catch (error) {
      response = toProblem(error, target.path);
    }
    metrics.http.observe(request.method, ROUTE, response.status, (performance.now() - started) / 1000);
    return response;
  }

  async function run(
    plugin: Plugin,
    request: Request,
    server: PeerSource,
    target: Target,
    read: RequestBody | null,
  ): Promise<Response> {
    demandAwake(switches, plugin.name, 'api');
    const instance = plugin.instance ?? (await readyFor(plugin, request, target));
    const found = instance.registrations.find(request.method, target.below);
    if (found === null) throw unrouted(plugin, instance.registrations, request, target);
    const { registration, checks } = found.store;
    const admitted = admit(request, registration);
    const principal = admitted instanceof Promise ? await admitted : admitted;
    const limited = registration.rateLimit === null ? null : spend(registration, principal, request, server);
    const params = decodeParams(found.params);
    const body = read ?? (request.body === null ? NO_BODY : await readBody(request, checks?.body != null));
    // Another version took over while the request came in: that one answers, by its own rules.
    if (plugin.instance !== instance) return run(plugin, request, server, target, body);
    const checked = checks === null ? null : checkRequest(checks, { params, search: target.search, body: body.bytes });
    instance.admit();
    const span = traces ? beginSpan(plugin.name, request.method, registration.path) : null;
    let given: InvokeAnswer;
    try {
      const asked: InvokeRequest = {
        lane: registration.handler,
        what: `${request.method} ${target.below}`,
        payload: payloadOf(request, checked?.params ?? params, checked?.query ?? null, principal, span),
        body: checked?.body ?? body.bytes,
        stream: body.stream,
        deadlineMs: instance.limits.wallMsPerCall,
        cancelled: () => request.signal.aborted,
      };
      given = await (span === null ? instance.guest.invoke(asked) : invokeIn(span, instance.guest, asked));
    } catch (error) {
      throw error instanceof GuestFailure ? instance.failure(error) : error;
    }
    return toResponse(given, instance, limited);
  }

  /** A plugin that hibernates is woken for those only whom one of its endpoints admits. */
  async function readyFor(plugin: Plugin, request: Request, target: Target): Promise<Instance> {
    if (plugin.state.kind === 'hibernated') {
      const { kept } = plugin.state;
      const found = kept.find(request.method, target.below);
      if (found === null) throw unrouted(plugin, kept, request, target);
      await admit(request, found.store.registration);
    }
    return plugin.ready();
  }

  /** Who asks, if they may. @throws CodedError `unauthenticated`, `forbidden`, `csrf_failed` */
  function admit(request: Request, registration: RouteRegistration): Principal | null | Promise<Principal | null> {
    if (registration.auth === 'public') return guest(request);
    const found = auth.authenticate(request);
    return found instanceof Promise
      ? found.then((principal) => demandOf(registration, principal))
      : demandOf(registration, found);
  }

  /** Who calls what anyone may: a change that another site may have forged is not the signed-in user's. */
  function guest(request: Request): Principal | null | Promise<Principal | null> {
    if (isSafeMethod(request.method)) return auth.resolvePrincipal(request);
    const nobody = (error: unknown): null => {
      if (error instanceof CodedError && error.code === 'csrf_failed') return null;
      throw error;
    };
    try {
      const found = auth.authenticate(request);
      return found instanceof Promise ? found.catch(nobody) : found;
    } catch (error) {
      return nobody(error);
    }
  }

  /** Counts the call; answers the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers). */
  function spend(
    registration: RouteRegistration,
    principal: Principal | null,
    request: Request,
    server: PeerSource,
  ): LimitHeaders {
    const { max, windowMs } = registration.rateLimit as NonNullable<RouteRegistration['rateLimit']>;
    let windows = limiters.get(registration);
    if (windows === undefined) {
      windows = new RateWindows(max, windowMs);
      limiters.set(registration, windows);
    }
    const { remaining, resetMs } = windows.spend(principal?.userId ?? clientIp(request, server, trustProxy));
    const reset = Math.ceil(resetMs / 1000);
    const headers = {
      'ratelimit-policy': windows.policy,
      ratelimit: `"default";r=${Math.max(0, remaining)};t=${reset}`,
    };
    if (remaining < 0) {
      throw new CodedError('rate_limited', `More than ${max} calls in ${windowMs / 1000} s`, {
        retryAfter: Math.max(1, reset),
        rateLimit: headers,
      });
    }
    return headers;
  }

  function toResponse({ head, body, sent }: InvokeAnswer, instance: Instance, limited: LimitHeaders | null): Response {
    const { streams } = instance.guest;
    const endRequest = (): void => {
      if (sent !== null) streams.end(sent);
    };
    const answer = answerHead(head, instance);
    if (answer === undefined || answer.stream === null) endRequest();
    const bad = (): CodedError => {
      instance.parts.log('error', 'A handler gave an answer that is not valid', { head: head.slice(0, 500) });
      return new CodedError('plugin_bad_answer');
    };
    if (answer === undefined) throw bad();
    const init = limited === null ? answer.init : withLimits(answer, limited);
    // To HEAD the server sends the headers of the body, and not the body.
    const bodiless = BODILESS.has(answer.init.status);
    if (answer.stream === null) {
      if (body.length > instance.limits.responseBytes) throw tooLong(instance);
      return new Response(bodiless || body.length === 0 ? null : (body as Buffer<ArrayBuffer>), init);
    }
    if (!streams.mayReceive(answer.stream)) {
      endRequest();
      throw bad();
    }
    const stream = streams.receive(answer.stream, {
      capability: 'api',
      onEnd: endRequest,
      onBytes: limitOf(instance),
      onBroken: (error) => instance.parts.log('error', `The body of an answer broke off: ${error.message}`),
    });
    const off = switches.isOff(instance.name, 'api');
    if (!bodiless && !off) return new Response(stream, init);
    stream.cancel().catch(() => undefined);
    // Cut while the handler ran.
    if (off) demandAwake(switches, instance.name, 'api');
    return new Response(null, init);
  }

  function toProblem(error: unknown, path: string): Response {
    if (error instanceof CodedError) {
      // What a plugin threw is for its log; the client gets the id to ask with.
      const { rateLimit, stack: _stack, ...extra } = error.extra;
      const shown =
        error.code === 'plugin_error'
          ? new CodedError('plugin_error', 'The plugin failed; its log has the details under the errorId', extra)
          : new CodedError(error.code, error.message, extra);
      const response = problemResponse(shown, path);
      for (const [name, value] of Object.entries(rateLimit ?? {})) response.headers.set(name, value as string);
      if (error.code === 'quota_exceeded') addQuota(response.headers, extra);
      return response;
    }
    const errorId = crypto.randomUUID();
    log.error({ err: error, errorId, path }, 'the gateway failed');
    return problemResponse(new CodedError('internal', undefined, { errorId }), path);
  }
}

/** The span of the handler; names that of the request, too. @param path the endpoint's pattern */
function beginSpan(plugin: string, method: string, path: string): TraceSpan | null {
  const request = currentSpan();
  if (request !== null) nameRoute(request, method, `${PREFIX}${plugin}${path}`);
  return beginHandler(plugin, `handler ${method} ${path}`);
}

/** What a client has to know of a limit of the plugin itself: which, and when to come again. */
function addQuota(headers: Headers, extra: Readonly<Record<string, unknown>>): void {
  const quota = quotaHeaders(extra);
  if (quota === null) return;
  headers.set('retry-after', String(quota.retryAfter));
  for (const [name, value] of Object.entries(quota.rateLimit)) headers.set(name, value);
}

/** An answer over the plugin's `responseBytes`: asking again would not help, so it is no matter of rates. */
function tooLong({ limits: { responseBytes: max }, parts }: Instance): CodedError {
  const message = `The answer is over the limit responseBytes (${max})`;
  parts.log('error', message);
  return new CodedError('plugin_bad_answer', message, { limit: 'responseBytes', max, resetsAt: null });
}

/** Ends a streamed answer that gets too long. */
function limitOf({ limits: { responseBytes: max } }: Instance): (count: number) => Error | null {
  let sent = 0;
  return (count) => {
    sent += count;
    return sent > max ? new Error(`it is over the limit responseBytes (${max})`) : null;
  };
}

/** What the guest's `api` room reads (RequestHead in sandbox-apis/api/guest.ts). */
function payloadOf(
  request: Request,
  params: Record<string, unknown>,
  query: Record<string, unknown> | null,
  principal: Principal | null,
  span: TraceSpan | null,
): string {
  return JSON.stringify({
    m: request.method,
    u: request.url,
    h: requestHeaders(request.headers, span),
    p: params,
    ...(query === null ? {} : { q: query }),
    user: principal === null ? null : userOf(principal),
  });
}

function demandOf({ auth: need, permissions }: RouteRegistration, principal: Principal | null): Principal {
  if (principal === null) throw new CodedError('unauthenticated');
  if (need === 'admin') demandAdmin(principal);
  for (const permission of permissions) demand(principal, permission);
  return principal;
}

/** A request's address, cut up once: everything after judges the same text. */
interface Target {
  readonly path: string;
  readonly prefix: string;
  /** The path below the plugin's prefix, beginning with `/`. */
  readonly below: string;
  /** With its `?`, or ''. */
  readonly search: string;
}

/** Null for what is below no plugin. */
function readTarget(url: string): Target | null {
  const pathStart = url.indexOf('/', url.indexOf('://') + 3);
  if (!url.startsWith(PREFIX, pathStart)) return null;
  const nameStart = pathStart + PREFIX.length;
  const nameEnd = url.indexOf('/', nameStart);
  if (nameEnd < 0) return null;
  const queryStart = url.indexOf('?', nameStart);
  if (queryStart >= 0 && queryStart < nameEnd) return null;
  const pathEnd = queryStart < 0 ? url.length : queryStart;
  const belowEnd = pathEnd > nameEnd + 1 && url.endsWith('/', pathEnd) ? pathEnd - 1 : pathEnd;
  const below = url.slice(nameEnd, belowEnd);
  const segmentEnd = below.indexOf('/', 1);
  if (RESERVED_SEGMENTS.has(below.slice(1, segmentEnd < 0 ? below.length : segmentEnd))) return null;
  return {
    path: url.slice(pathStart, pathEnd),
    prefix: url.slice(nameStart, nameEnd),
    below,
    search: queryStart < 0 ? '' : url.slice(queryStart),
  };
}

/** Encoded slashes and empty segments can be read in two ways (ADVERSARY 78): they match nothing. */
const AMBIGUOUS = /\/\/|%2f|%5c|%00|\\/i;

function unrouted(
  { name }: Plugin,
  registrations: RegistrationSet,
  request: Request,
  { below, path }: Target,
): CodedError {
  const allow = registrations.methodsOn(below);
  if (allow.length === 0) return new CodedError('not_found', `The plugin ${name} has nothing at ${path}`);
  return new CodedError('method_not_allowed', `${request.method} is not answered at ${path}`, { allow });
}

function decodeParams(params: Record<string, string>): Record<string, string> {
  for (const name in params) {
    const value = params[name] as string;
    if (AMBIGUOUS.test(value)) throw new CodedError('bad_request', `The path parameter "${name}" is ambiguous`);
    if (!value.includes('%')) continue;
    try {
      params[name] = decodeURIComponent(value);
    } catch {
      throw new CodedError('bad_request', `The path parameter "${name}" is not valid UTF-8`);
    }
  }
  return params;
}

function userOf({ userId, email, name, role }: Principal) {
  return { id: userId, email, name, role };
}
