import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { AnyElysia } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createApp } from '../../src/app.ts';
import { jobRoutes } from '../../src/http/jobs.ts';
import { installPlugin } from '../events/plugins.ts';
import { startApp, type TestApp } from '../kit/app.ts';
import { job, type SchedulesRig, schedulesRig } from '../schedules/kit.ts';

let base: TestApp;
let app: AnyElysia;
let admin: string;
let user: string;
let rig: SchedulesRig;

beforeAll(async () => {
  base = await startApp();
  const { db, deps } = base;
  await installPlugin(db, 'billing');
  const stack = 'Error: boom\n    at src/pay.ts:12:5';
  rig = schedulesRig(db, '2026-01-01T12:00:00Z', {
    run: ({ attempt }) =>
      attempt === 1 ? Promise.reject(new CodedError('plugin_error', 'boom', { stack })) : Promise.resolve(),
    lines: {
      mark: () => 0,
      since: () => [{ time: '2026-01-01T12:05:00.000Z', level: 'info', message: 'paid' }],
    },
  });
  const resolvePluginName = (id: string): string => {
    if (id !== 'billing' && id !== '7') throw new CodedError('plugin_not_found', `No plugin ${id}`);
    return 'billing';
  };
  app = createApp({
    ...deps,
    routes: [jobRoutes({ db, auth: deps.auth, schedules: rig.schedules, resolvePluginName })],
  });
  await base.makeUser({ email: 'root@example.com', role: 'admin' });
  await base.makeUser({ email: 'ada@example.com' });
  admin = (await base.signIn('root@example.com')).token;
  user = (await base.signIn('ada@example.com')).token;
  await rig.replace([job()]);
  await rig.time.to('2026-01-01T12:05:00Z');
});
afterAll(async () => {
  await rig.stop();
  await base.stop();
});

async function call(method: string, path: string, token: string | null = admin) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await app.handle(new Request(`http://localhost/api/plugins/${path}`, { method, headers }));
  return { status: response.status, body: await response.json() };
}

test('lists jobs, and the runs of one with error, place and log', async () => {
  expect(await call('GET', '7/jobs')).toMatchObject({
    status: 200,
    body: { jobs: [{ name: 'poll', cron: '*/5 * * * *', pausedAt: null, lastError: 'plugin_error: boom' }] },
  });
  const { status, body } = await call('GET', 'billing/jobs/poll/runs');
  expect(status).toBe(200);
  expect(body.items).toEqual([
    {
      ...{ id: expect.any(Number), trigger: 'tick', state: 'failed', attempt: 1 },
      ...{ scheduledAt: '2026-01-01T12:05:00.000Z', startedAt: '2026-01-01T12:05:00.000Z' },
      ...{ endedAt: '2026-01-01T12:05:00.000Z', durationMs: 0, error: 'plugin_error: boom', place: 'src/pay.ts:12:5' },
      log: [{ time: '2026-01-01T12:05:00.000Z', level: 'info', message: 'paid' }],
    },
  ]);
});

test('runs a job, pauses and resumes it, and remembers who did', async () => {
  const paused = await call('POST', 'billing/jobs/poll/pause');
  expect(paused).toMatchObject({ status: 200, body: { pausedAt: '2026-01-01T12:05:00.000Z', nextRunAt: null } });
  const run = await call('POST', 'billing/jobs/poll/run');
  expect(run).toMatchObject({ status: 202, body: { state: 'running' } });
  await rig.time.quiet();
  expect(await call('POST', 'billing/jobs/poll/resume')).toMatchObject({
    status: 200,
    body: { pausedAt: null, nextRunAt: '2026-01-01T12:10:00.000Z' },
  });
  const newest = (await call('GET', 'billing/jobs/poll/runs?limit=1')).body.items;
  expect(newest).toMatchObject([{ id: run.body.id, trigger: 'manual', scheduledAt: null }]);
  const older = (await call('GET', `billing/jobs/poll/runs?before=${run.body.id}`)).body.items;
  expect(older).toMatchObject([{ trigger: 'tick' }]);
  expect((await call('GET', 'billing/jobs/poll/runs?state=ok')).body.items).toEqual([]);
  const acts = await base.db
    .selectFrom('audit_log')
    .select(['action', 'target', 'detail'])
    .where('action', 'like', 'job.%')
    .orderBy('id')
    .execute();
  expect(acts).toMatchObject([
    { action: 'job.paused', target: 'billing', detail: { job: 'poll' } },
    { action: 'job.run', detail: { job: 'poll', run: run.body.id } },
    { action: 'job.resumed', detail: { job: 'poll' } },
  ]);
});

test.each([
  ['GET', 'billing/jobs'],
  ['GET', 'billing/jobs/poll/runs'],
  ['POST', 'billing/jobs/poll/run'],
  ['POST', 'billing/jobs/poll/pause'],
  ['POST', 'billing/jobs/poll/resume'],
])('%s %s is for admins', async (method, path) => {
  expect((await call(method, path, null)).status).toBe(401);
  expect((await call(method, path, user)).status).toBe(403);
});

test('what is not there, or not a name, is said', async () => {
  expect((await call('POST', 'billing/jobs/other/run')).body).toMatchObject({ status: 404, code: 'not_found' });
  expect((await call('POST', 'billing/jobs/other/pause')).body).toMatchObject({ status: 404, code: 'not_found' });
  expect((await call('GET', 'slack/jobs')).body).toMatchObject({ code: 'plugin_not_found' });
  expect((await call('POST', 'billing/jobs/..%2Fx/run')).status).toBeGreaterThanOrEqual(400);
  expect((await call('GET', 'billing/jobs/poll/runs?limit=0')).status).toBe(422);
  expect((await call('GET', 'billing/jobs/never/runs')).body).toEqual({ items: [] });
});
