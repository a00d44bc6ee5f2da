import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../kit/otlp-receiver.ts';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

const TOKEN = 'a-token-of-the-collector-1234';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

/** What the outside world got: headers of requests, by path. */
const told = new Map<string, Headers>();
let collector: OtlpReceiver;
let world: ReturnType<typeof Bun.serve>;
let core: RunningCore;

const open = `{ auth: 'public' }`;
const shop = `export default { onLoad({ api, storage, events, log, fetch, scheduler }) {
  scheduler.every('1d', () => storage.get('last'), { name: 'tidy' });
  api.get('/order/:id', async (request, ctx) => {
    await storage.set('last', ctx.params.id);
    log.info('ordered ' + ctx.params.id);
    await events.emit('ordered', { id: ctx.params.id });
    return { traceparent: request.headers.get('traceparent') };
  }, ${open});
  api.get('/refused', async () => {
    const refused = await fetch('http://127.0.0.1:3333/').catch((error) => error.name);
    return { refused };
  }, ${open});
  let waiting = 0;
  let both;
  const together = new Promise((done) => { both = done; });
  api.get('/together/:id', async (request, ctx) => {
    const { id } = ctx.params;
    // The first call is made before any wait, while another request is under way.
    const got = storage.get('before-' + id);
    waiting += 1;
    if (waiting === 2) both();
    await got;
    await together;
    return id;
  }, ${open});
} };`;
const billing = (url: string) => `export default { onLoad({ events, fetch }) {
  events.on('plugin.trace-shop.ordered', async ({ id }, event) => {
    if (!/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/.test(event.traceparent)) throw new Error('no traceparent');
    await fetch('${url}/bill/' + id);
    await fetch('${url}/own/' + id, { headers: { traceparent: '00-${'1'.repeat(32)}-${'2'.repeat(16)}-01' } });
    await fetch('${url.replace('127.0.0.1', 'localhost')}/elsewhere/' + id);
  });
} };`;

beforeAll(async () => {
  collector = startOtlpReceiver();
  world = Bun.serve({
    port: 0,
    fetch(request) {
      told.set(new URL(request.url).pathname, request.headers);
      return new Response('thanks');
    },
  });
  core = await startCore({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${TOKEN}`,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=tests',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      STREAMSPACE_TRACE_OUT: '127.0.0.1',
    },
  });
  const hosts = [`network:127.0.0.1:${world.port}`, `network:localhost:${world.port}`];
  await install(core, {
    manifest: { name: 'trace-shop', permissions: ['network:127.0.0.1:1'] },
    'index.ts': shop,
  });
  await install(core, {
    manifest: { name: 'trace-billing', permissions: ['events:subscribe:plugin.trace-shop.*', ...hosts] },
    'index.ts': billing(`http://127.0.0.1:${world.port}`),
  });
}, 60_000);

afterAll(async () => {
  await core?.stop();
  collector?.[Symbol.dispose]();
  await world?.stop(true);
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${core.url}/api/plugins/trace-shop${path}`, { headers });
/** Of a trace, by name. */
const named = (traceId: string, name: string) =>
  collector.span((span) => span.traceId === traceId && span.name === name, `the span "${name}"`);
const parentOf = (span: ReceivedSpan) => collector.spans.find(({ spanId }) => spanId === span.parentId)?.name;

test('one trace goes from the caller through request, event and another plugin to a server outside', async () => {
  const answer = await get('/order/17', {
    traceparent: `00-${TRACE}-${CALLER}-01`,
    tracestate: 'vendor=opaque',
    'x-request-id': 'edge-1',
  });
  const { traceparent } = (await answer.json()) as { traceparent: string };
  expect(answer.headers.get('x-request-id')).toBe('edge-1');
  await until(() => told.has('/elsewhere/17'), 'the event is handled');

  const server = await named(TRACE, 'GET /api/plugins/trace-shop/order/:id');
  expect(server).toMatchObject({
    parentId: CALLER,
    kind: 'server',
    attributes: { 'http.route': '/api/plugins/trace-shop/order/:id', 'http.response.status_code': 200 },
    resource: { 'service.name': 'streamspace', 'deployment.environment.name': 'tests' },
  });
  const handler = await named(TRACE, 'handler GET /order/:id');
  expect(handler.parentId).toBe(server.spanId);
  expect(traceparent).toBe(`00-${TRACE}-${handler.spanId}-01`);
  expect((await named(TRACE, 'storage.set')).parentId).toBe(handler.spanId);
  const emit = await named(TRACE, 'events.emit');
  expect(emit).toMatchObject({ parentId: handler.spanId, kind: 'producer' });

  const delivery = await named(TRACE, 'process plugin.trace-shop.ordered');
  expect(delivery).toMatchObject({
    parentId: emit.spanId,
    kind: 'consumer',
    links: [{ traceId: TRACE, spanId: emit.spanId }],
    attributes: { 'streamspace.plugin': 'trace-billing' },
  });
  const taken = await named(TRACE, 'event plugin.trace-shop.ordered');
  expect(taken.parentId).toBe(delivery.spanId);
  const sent = await collector.span(({ kind, name }) => kind === 'client' && name === 'GET', 'the request outside');
  expect(sent.attributes).toMatchObject({ 'server.address': '127.0.0.1', 'http.response.status_code': 200 });
  const call = await named(TRACE, 'fetch.request');
  expect([call.parentId, sent.parentId]).toEqual([taken.spanId, call.spanId]);
  expect(told.get('/bill/17')?.get('traceparent')).toBe(`00-${TRACE}-${sent.spanId}-01`);
});

test('nobody outside is told more than the operator and the plugin allow', () => {
  expect(told.get('/bill/17')?.get('tracestate')).toBeNull();
  expect(told.get('/own/17')?.get('traceparent')).toBe(`00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`);
  expect(told.get('/elsewhere/17')?.get('traceparent')).toBeNull();
});

test('a refusal is the status of the call’s span', async () => {
  expect(await (await get('/refused')).json()).toEqual({ refused: 'PermissionError' });
  const call = await collector.span(
    ({ name, status }) => name === 'fetch.request' && status.code === 'error',
    'refusal',
  );
  expect(call.attributes).toMatchObject({ 'error.type': 'permission_denied', 'streamspace.plugin': 'trace-shop' });
  expect(parentOf(call)).toBe('handler GET /refused');
});

test('calls of requests at the same time are of their own requests', async () => {
  const ids = ['a', 'b'];
  const traces = ids.map((id) => id.repeat(32));
  await Promise.all(ids.map((id, at) => get(`/together/${id}`, { traceparent: `00-${traces[at]}-${CALLER}-01` })));
  for (const traceId of traces) {
    const call = await named(traceId, 'storage.get');
    expect(parentOf(call)).toBe('handler GET /together/:id');
  }
});

test('log lines of a handler carry the ids, in the core’s log and the plugin’s', async () => {
  const line = await core.line(({ msg }) => msg === 'ordered 17', 'the line of the handler');
  const handler = await named(TRACE, 'handler GET /order/:id');
  expect(line).toMatchObject({ plugin: 'trace-shop', trace_id: TRACE, span_id: handler.spanId, request_id: 'edge-1' });
  const log = await core.api('GET', '/api/plugins/trace-shop/logs?follow=false');
  expect(String(log.body)).toContain(`"requestId":"edge-1","traceId":"${TRACE}","spanId":"${handler.spanId}"`);
});

test('an install is a trace of its steps', async () => {
  const step = await collector.span(
    ({ name, attributes }) => name === 'plugin install' && attributes['streamspace.plugin'] === 'trace-billing',
    'the install',
  );
  expect(parentOf(step)).toBe('POST /api/plugins/install');
  for (const name of ['plugin bundle', 'isolate load', 'hook onLoad', 'plugin commit']) {
    expect(parentOf(await named(step.traceId, name))).toBe('plugin install');
  }
});

test('a run of a job is a trace of its own', async () => {
  expect((await core.api('POST', '/api/plugins/trace-shop/jobs/tidy/run')).status).toBeLessThan(300);
  const run = await collector.span(
    ({ name, attributes }) => name === 'job tidy' && attributes['streamspace.job'] === 'tidy',
    'the run',
  );
  expect(run.parentId).toBeNull();
  const call = await collector.span(
    ({ traceId, name }) => traceId === run.traceId && name === 'storage.get',
    'its call',
  );
  const handler = collector.spans.find(({ spanId }) => spanId === call.parentId);
  expect([handler?.name, handler?.parentId]).toEqual(['job tidy', run.spanId]);
});

test('secrets do not reach the collector, but for its own token', async () => {
  await get(`/order/${TOKEN}`);
  await collector.span(({ attributes }) => String(attributes['url.path']).includes('********'), 'the masked path');
  expect(collector.raw()).not.toContain(TOKEN);
  expect(collector.headers.every((headers) => headers.get('authorization') === TOKEN)).toBe(true);
});

test('a core without its collector works on, and stops in time', async () => {
  collector[Symbol.dispose]();
  expect((await get('/order/18')).status).toBe(200);
  expect(await core.stop()).toBe(0);
});
