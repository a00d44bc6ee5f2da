import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { LoadRequest } from '../../bench/load-job.ts';
import { Children } from '../../bench/processes.ts';
import { LoadProcess } from '../../bench/servers.ts';

const BODY = JSON.stringify({ text: 'x'.repeat(200_000) });
const children = new Children();
let load: LoadProcess;
let port: number;
let seen = new Set<string>();

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  routes: {
    '/right/:n': (request) => {
      seen.add(request.params.n);
      return new Response('right');
    },
    '/echo': async (request) => new Response(await request.text()),
    '/refused': () => new Response('right', { status: 429 }),
    '/other': () => new Response('wrong'),
    '/silent': () => new Promise<Response>(() => undefined),
  },
});

beforeAll(async () => {
  port = server.port as number;
  load = await LoadProcess.start(children);
});
afterAll(async () => {
  await children.close();
  await server.stop(true);
});

const get = (path: string): LoadRequest => ({ method: 'GET', path, headers: {}, body: null, expect: 'right' });
const run = (requests: readonly LoadRequest[], connections = 2) =>
  load.run({ port, connections, warmMs: 10, durationMs: 100, requests });

test('counts right answers, and sends the requests in turn', async () => {
  seen = new Set();
  const result = await run(['a', 'b', 'c'].map((n) => get(`/right/${n}`)));
  expect(result).toMatchObject({ wrong: 0, firstWrong: null });
  expect(result.answers).toBeGreaterThan(0);
  expect(result.total).toBeGreaterThanOrEqual(result.answers);
  expect(result.p50Us).toBeGreaterThan(0);
  expect(result.p99Us).toBeGreaterThanOrEqual(result.p50Us);
  expect([...seen].sort()).toEqual(['a', 'b', 'c']);
});

test('bodies larger than a socket takes at once go and come whole', async () => {
  const result = await run([{ method: 'POST', path: '/echo', headers: {}, body: BODY, expect: BODY }]);
  expect(result).toMatchObject({ wrong: 0, firstWrong: null });
  expect(result.answers).toBeGreaterThan(0);
});

test('another status is wrong', async () => {
  const result = await run([get('/refused')]);
  expect(result.wrong).toBe(result.total);
  expect(result.firstWrong).toContain('status 429');
});

test('another body of the same length is found', async () => {
  const result = await run([get('/other')]);
  expect(result.wrong).toBeGreaterThan(0);
  expect(result.wrong).toBeLessThanOrEqual(result.total);
});

test('a request without an answer is wrong', async () => {
  expect(await run([get('/silent')])).toMatchObject({ answers: 0, wrong: 2, firstWrong: 'no answer' });
});
