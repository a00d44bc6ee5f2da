import { afterEach, describe, expect, test } from 'bun:test';
import { networkInterfaces } from 'node:os';
import { createApp } from '../../src/app.ts';
import type { Check } from '../../src/http/health.ts';
import { startApp, type TestApp } from '../kit/app.ts';

let app: TestApp | undefined;
afterEach(async () => {
  await app?.stop();
  app = undefined;
});

describe('/healthz and /readyz', () => {
  test('readiness follows the phase and the checks; life does not', async () => {
    let phase: 'starting' | 'ready' | 'stopping' = 'starting';
    let checks: Check[] = [{ name: 'database', ok: true, detail: '2 of 8 connections' }];
    app = await startApp({ deps: { phase: () => phase, readiness: async () => checks } });
    const { call } = app;
    const ready = async () => {
      const { status, body } = await call('GET', '/readyz');
      return [status, body];
    };
    expect(await ready()).toEqual([503, { status: 'starting' }]);
    phase = 'ready';
    expect(await ready()).toEqual([200, { status: 'ready' }]);
    expect((await call('GET', '/readyz?verbose')).body).toEqual({ status: 'ready', checks });
    checks = [...checks, { name: 'isolate-hosts', ok: false, detail: 'restarting' }];
    expect(await ready()).toEqual([503, { status: 'not ready' }]);
    expect((await call('GET', '/readyz?verbose')).body.checks).toEqual(checks);
    phase = 'stopping';
    expect(await ready()).toEqual([503, { status: 'stopping' }]);
    expect((await call('GET', '/healthz')).status).toBe(200);
  });
});

describe('/metrics', () => {
  test('counts requests by route pattern, method and status', async () => {
    app = await startApp();
    const id = crypto.randomUUID();
    await app.call('GET', `/api/users/${id}`);
    await app.call('GET', `/api/users/${id}?x=1`);
    await app.call('GET', `/no/such/${id}`);
    const { body, headers } = await app.call('GET', '/metrics');
    expect(headers.get('content-type')).toStartWith('text/plain; version=0.0.4');
    const count = 'streamspace_http_request_duration_seconds_count';
    expect(body).toContain(`${count}{method="GET",route="/api/users/:id",status="401"} 2\n`);
    expect(body).toContain(`${count}{method="ANY",route="unmatched",status="404"} 1\n`);
    expect(body).not.toContain(id);
    expect(body).toMatch(/^process_resident_memory_bytes \d+/m);
  });

  test('is for this machine and for admins', async () => {
    app = await startApp();
    await app.makeUser({ email: 'root@example.com', role: 'admin' });
    await app.makeUser({ email: 'ada@example.com' });
    const { call, signIn } = app;
    // As a proxy on this machine passes on what comes from elsewhere.
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    expect((await call('GET', '/metrics', { headers })).status).toBe(401);
    expect((await call('GET', '/metrics', { headers: { host: 'rebound.example' } })).status).toBe(401);
    expect((await call('GET', '/metrics', { headers, token: (await signIn('ada@example.com')).token })).status).toBe(
      403,
    );
    expect((await call('GET', '/metrics', { headers, token: (await signIn('root@example.com')).token })).status).toBe(
      200,
    );
  });

  const address = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
  test.skipIf(address === undefined)('is not for the neighbours on the network', async () => {
    app = await startApp();
    const server = createApp(app.deps).listen({ port: 0, hostname: '0.0.0.0' }).server;
    const { status } = await fetch(`http://${address}:${server?.port}/metrics`);
    await server?.stop(true);
    expect(status).toBe(401);
  });
});
