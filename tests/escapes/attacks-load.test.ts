import { expect, test } from 'bun:test';
import { until } from '../kit/until.ts';
import { outageOf, SteadyLoad } from './attacks/steady-load.ts';

// The attacks are judged by this load: what it does not see is not tested.

const good = (from: number, to: number) => ({ from, to, kind: 'good' as const });
const refused = (from: number, to: number) => ({ from, to, kind: 'refused' as const });

test.each([
  ['prompt answers', [good(0, 5), good(100, 110)], 0],
  ['an answer that came late, for as long as it was waited for', [good(0, 700)], 700],
  ['late answers at once, counted once', [good(0, 700), good(100, 710), good(200, 720)], 720],
  ['a refusal, until the next good answer', [refused(0, 5), refused(100, 105), good(200, 210)], 210],
  [
    'a refusal that no good answer follows, until the last one',
    [good(0, 5), refused(100, 105), refused(200, 205)],
    105,
  ],
  [
    'outages with calm between',
    [refused(0, 5), good(100, 110), good(200, 205), refused(300, 305), good(400, 410)],
    220,
  ],
])('%s', (_what, samples, milliseconds) => {
  expect(outageOf(samples)).toBe(milliseconds);
});

test('only 503 with Retry-After is a refusal; anything else is bad, and what hangs is waited for', async () => {
  const hung = Promise.withResolvers<void>();
  let asked = 0;
  using server = Bun.serve({
    port: 0,
    routes: {
      '/good': () => new Response('here'),
      '/refused': () => new Response('', { status: 503, headers: { 'retry-after': '1' } }),
      '/silent': () => new Response('', { status: 503 }),
      '/broken': () => new Response('oops', { status: 500 }),
      '/hung': async () => {
        asked += 1;
        await hung.promise;
        return new Response('at last');
      },
    },
  });
  const names = ['good', 'refused', 'silent', 'broken', 'hung'];
  const load = new SteadyLoad(names.map((name) => ({ name, url: `${server.url}${name}`, everyMs: 10 })));
  await expect(load.settled(2, 50)).rejects.toThrow('hung');
  await until(() => asked > 2, 'it is asked again, answered or not');
  const taken = load.take();
  hung.resolve();
  const reports = new Map((await taken).map((report) => [report.target, report]));
  load.stop();
  const good = reports.get('good');
  expect(good).toMatchObject({ refused: 0, bad: [], outageMs: 0 });
  expect(good?.latencies.length).toBe(good?.requests as number);
  const refusals = reports.get('refused');
  expect(refusals).toMatchObject({ refused: refusals?.requests, bad: [], latencies: [] });
  expect(reports.get('silent')?.bad[0]).toContain('503');
  expect(reports.get('broken')?.bad[0]).toContain('500 oops');
  expect(reports.get('hung')).toMatchObject({ refused: 0, bad: [] });
  expect(reports.get('hung')?.requests).toBeGreaterThan(2);
});
