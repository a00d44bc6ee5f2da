import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { type HttpDouble, type Seen, startHttpDouble } from '../../kit/http-double.ts';
import { installNpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Clients of services, against doubles of them.

setDefaultTimeout(60_000);

let core: RunningCore;
let double: HttpDouble | undefined;
beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});
afterEach(async () => {
  await double?.stop();
  double = undefined;
});

describe('stripe', () => {
  const key = 'sk_test_plugin';
  const webhookSecret = 'whsec_of_the_tests';
  let failures = 0;

  /** Behaves as docs.stripe.com/api says: form bodies, cursors, errors, and 5xx that a retry of the same key gets past. */
  function answer({ method, path, headers, text }: Seen): Response {
    const respond = (body: object, status = 200) => Response.json(body, { status, headers: { 'request-id': 'req_1' } });
    if (headers.get('authorization') !== `Bearer ${key}`) {
      return respond({ error: { type: 'invalid_request_error', message: 'Invalid API Key' } }, 401);
    }
    const { pathname, searchParams } = new URL(path, 'http://stripe');
    if (method === 'POST' && pathname === '/v1/customers') {
      if (failures++ === 0) return respond({ error: { type: 'api_error', message: 'try again' } }, 500);
      const form = new URLSearchParams(text);
      return respond({
        id: 'cus_1',
        object: 'customer',
        email: form.get('email'),
        metadata: { plan: form.get('metadata[plan]') },
      });
    }
    if (method === 'GET' && pathname === '/v1/invoices') {
      const all = ['in_1', 'in_2', 'in_3', 'in_4', 'in_5'];
      const from = all.indexOf(searchParams.get('starting_after') ?? '') + 1;
      const to = from + Number(searchParams.get('limit'));
      const data = all.slice(from, to).map((id) => ({ id, object: 'invoice' }));
      return respond({ object: 'list', url: '/v1/invoices', data, has_more: to < all.length });
    }
    const declined = {
      type: 'card_error',
      code: 'card_declined',
      decline_code: 'generic_decline',
      message: 'Your card was declined.',
    };
    if (pathname === '/v1/payment_intents') return respond({ error: declined }, 402);
    return respond(
      { error: { type: 'invalid_request_error', message: `Unrecognized request URL (${method}: ${path})` } },
      404,
    );
  }

  test('its fetch client creates, retries, pages and fails as it does elsewhere; webhooks are verified', async () => {
    double = startHttpDouble(answer);
    const [host = '', port = ''] = double.authority.split(':');
    const stripe = await installNpmPlugin(core, 'npm-stripe', {
      packages: ['stripe'],
      source: await pluginSource('stripe.ts'),
      permissions: [`network:${double.authority}`],
      config: { host, port, key, webhookSecret },
    });
    expect(await stripe.ask('/customer', { email: 'ada@example.com' })).toEqual({ id: 'cus_1', request: 'req_1' });
    const [first, second] = double.seen;
    expect(double.seen).toHaveLength(2);
    expect(Object.fromEntries(new URLSearchParams(second?.text))).toEqual({
      email: 'ada@example.com',
      'metadata[plan]': 'team & co',
    });
    expect(second?.headers.get('content-type')).toBe('application/x-www-form-urlencoded');
    expect(second?.headers.get('stripe-version')).toMatch(/^\d{4}-\d{2}-\d{2}/);
    expect([first, second].map((seen) => seen?.headers.get('idempotency-key'))).toEqual(['key-1', 'key-1']);

    expect(await stripe.ask('/invoices')).toEqual({ ids: ['in_1', 'in_2', 'in_3', 'in_4', 'in_5'] });
    expect(await stripe.ask('/charge')).toEqual({
      type: 'StripeCardError',
      code: 'card_declined',
      statusCode: 402,
      message: 'Your card was declined.',
    });

    const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'invoice.paid', data: { object: {} } });
    const at = Math.floor(Date.now() / 1000);
    const sign = (time: number) => createHmac('sha256', webhookSecret).update(`${time}.${payload}`).digest('hex');
    const deliver = async (signature: string, body = payload) => {
      const headers = { 'stripe-signature': signature };
      return (await fetch(`${stripe.url}/webhook`, { method: 'POST', body, headers })).json();
    };
    expect(await deliver(`t=${at},v1=${sign(at)}`)).toEqual({ type: 'invoice.paid', id: 'evt_1' });
    const forged = await deliver(`t=${at},v1=${sign(at)}`, payload.replace('evt_1', 'evt_2'));
    expect(forged).toMatchObject({ type: 'StripeSignatureVerificationError' });
    const old = await deliver(`t=${at - 1_000},v1=${sign(at - 1_000)}`);
    expect(old).toMatchObject({ message: 'Timestamp outside the tolerance zone' });
  });
});

describe('@sentry/core', () => {
  interface SentrySpan {
    name: string;
    span_id: string;
    parent_span_id?: string;
    trace_id: string;
    is_segment: boolean;
    status: string;
    start_timestamp: number;
    end_timestamp: number;
    attributes: Record<string, { value: unknown }>;
  }

  /** The items of an envelope (develop.sentry.dev/sdk/data-model/envelopes): a line of header and one of payload each. */
  function itemsOf(text: string): { header: Record<string, unknown>; items: [string, Record<string, unknown>][] } {
    const [head = '{}', ...lines] = text.split('\n').filter((line) => line !== '');
    const items: [string, Record<string, unknown>][] = [];
    for (let at = 0; at + 1 < lines.length; at += 2) {
      items.push([JSON.parse(lines[at] ?? '{}').type, JSON.parse(lines[at + 1] ?? '{}')]);
    }
    return { header: JSON.parse(head), items };
  }

  test('sends errors with mapped frames and traces, and obeys rate limits', async () => {
    double = startHttpDouble(({ text }) =>
      text.includes('"hello"')
        ? new Response('{}', { status: 429, headers: { 'x-sentry-rate-limits': '60:error:organization' } })
        : Response.json({ id: 'x' }),
    );
    const sentry = await installNpmPlugin(core, 'npm-sentry', {
      packages: ['@sentry/core'],
      source: await pluginSource('sentry.ts'),
      permissions: [`network:${double.authority}`],
      config: { dsn: `http://publickey@${double.authority}/42` },
    });
    const { id, flushed } = await sentry.ask('/error');
    expect(flushed).toBe(true);
    expect(double.seen.map(({ method, path }) => `${method} ${path.split('?')[0]}`)).toEqual([
      'POST /api/42/envelope/',
    ]);
    expect(new URLSearchParams(double.seen[0]?.path.split('?')[1]).get('sentry_key')).toBe('publickey');
    const { header, items } = itemsOf(double.seen[0]?.text ?? '');
    expect(header.event_id).toBe(id);
    const [[type, event] = ['', {}]] = items;
    expect(type).toBe('event');
    expect(event).toMatchObject({
      event_id: id,
      level: 'error',
      environment: 'tests',
      release: 'plugin@1.0.0',
      user: { id: '7', email: 'ada@example.com' },
      tags: { room: 'A1' },
      contexts: { cart: { items: 3 } },
      breadcrumbs: [{ category: 'cart', message: 'added' }],
    });
    const exceptions = (
      event.exception as { values: { type: string; value: string; stacktrace: { frames: { function: string }[] } }[] }
    ).values;
    expect(exceptions.map(({ value }) => value)).toContain('700 is too much');
    const thrown = exceptions.find(({ type: name }) => name === 'RangeError');
    expect(thrown?.stacktrace.frames.at(-1)?.function).toContain('buy');

    expect(await sentry.ask('/trace')).toEqual({ sum: 3, flushed: true });
    const later = double.seen.slice(1).flatMap(({ text }) => itemsOf(text).items);
    const spans = later.filter(([kind]) => kind === 'span').flatMap(([, { items: sent }]) => sent as SentrySpan[]);
    const named = (name: string) => spans.find((span) => span.name === name);
    expect(spans.map(({ name }) => name).sort()).toEqual(['checkout', 'load', 'pay']);
    const root = named('checkout');
    expect(root).toMatchObject({ is_segment: true, status: 'ok', attributes: { 'sentry.op': { value: 'task' } } });
    for (const child of [named('load'), named('pay')]) {
      expect(child).toMatchObject({ parent_span_id: root?.span_id, trace_id: root?.trace_id, is_segment: false });
      expect(child?.end_timestamp).toBeGreaterThanOrEqual(child?.start_timestamp ?? Infinity);
    }

    await sentry.ask('/message');
    await sentry.ask('/message');
    // The second is held back by the limit that the first one met.
    expect(double.seen.filter(({ text }) => text.includes('"hello"'))).toHaveLength(1);
  });
});

describe('OpenTelemetry', () => {
  interface OtlpSpan {
    traceId: string;
    spanId: string;
    parentSpanId?: string;
    name: string;
    kind: number;
    startTimeUnixNano: string;
    endTimeUnixNano: string;
    attributes: { key: string; value: Record<string, unknown> }[];
    events: { name: string; attributes: { key: string; value: Record<string, unknown> }[] }[];
    status: { code: number; message?: string };
  }

  test('an OTLP/HTTP exporter sends spans; their context follows what is awaited', async () => {
    double = startHttpDouble(() => Response.json({ partialSuccess: {} }));
    const otel = await installNpmPlugin(core, 'npm-otel', {
      packages: [
        '@opentelemetry/api',
        '@opentelemetry/context-async-hooks',
        '@opentelemetry/core',
        '@opentelemetry/exporter-trace-otlp-http',
        '@opentelemetry/resources',
        '@opentelemetry/sdk-trace',
      ],
      source: await pluginSource('otel.ts'),
      permissions: [`network:${double.authority}`],
      config: { collector: double.url },
    });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const answer = await fetch(`${otel.url}/order`, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
    const { carried } = (await answer.json()) as { carried: string[] };

    expect(double.seen).toHaveLength(1);
    const [request] = double.seen;
    expect([request?.method, request?.path]).toEqual(['POST', '/v1/traces']);
    expect(request?.headers.get('content-type')).toBe('application/json');
    expect(request?.headers.get('x-team')).toBe('core');
    const { resourceSpans } = JSON.parse(request?.text ?? '');
    expect(resourceSpans).toHaveLength(1);
    expect(resourceSpans[0].resource.attributes).toContainEqual({
      key: 'service.name',
      value: { stringValue: 'plugin' },
    });
    const [{ scope, spans }] = resourceSpans[0].scopeSpans as [{ scope: object; spans: OtlpSpan[] }];
    expect(scope).toMatchObject({ name: 'orders', version: '2.1' });
    const named = (name: string) => spans.find((span) => span.name === name) as OtlpSpan;
    expect(spans.map(({ name }) => name).sort()).toEqual(['order one', 'order two', 'pay one', 'pay two']);
    for (const [at, name] of ['one', 'two'].entries()) {
      const order = named(`order ${name}`);
      const pay = named(`pay ${name}`);
      expect(order).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331', kind: 2 });
      expect(pay).toMatchObject({ traceId, parentSpanId: order.spanId, status: { code: 2, message: 'declined' } });
      expect(carried[at]).toBe(`00-${traceId}-${order.spanId}-01`);
      expect(BigInt(order.endTimeUnixNano)).toBeGreaterThan(BigInt(order.startTimeUnixNano));
      expect(order.attributes).toEqual([
        { key: 'name', value: { stringValue: name } },
        { key: 'size', value: { intValue: 3 } },
        { key: 'paid', value: { boolValue: true } },
      ]);
      expect(pay.events.map(({ name: event }) => event)).toEqual(['asked', 'exception']);
    }
  });
});

test("kysely: migrations, queries, transactions and streams over the plugin's own database", async () => {
  const kysely = await installNpmPlugin(core, 'npm-kysely', {
    packages: ['kysely'],
    permissions: ['database'],
    source: await pluginSource('kysely.ts'),
  });
  expect(await kysely.ask('/migrated')).toEqual(['001-people Success', '002-pets Success']);
  expect(await kysely.ask('/people')).toEqual({
    balance: '12.50',
    isMoment: true,
    inserted: 2,
    joined: [
      { owner: 'Ada', name: 'Rex', about: { legs: 4 } },
      { owner: 'Ada', name: 'Tweety', about: { legs: 2 } },
    ],
    updated: '12.51',
    deleted: 1,
  });
  expect(await kysely.ask('/transactions')).toEqual({ kept: { name: 'Bob' }, undone: '23505', names: ['Bob', 'Ed'] });
  expect(await kysely.ask('/stream')).toMatchObject({ rows: 20_000, chars: 2_000_000 });
  expect((await core.api('POST', '/api/plugins/npm-kysely/reload')).status).toBe(200);
  expect(await kysely.ask('/migrated')).toEqual([]);
});
