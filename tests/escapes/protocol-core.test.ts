import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { descendantsOf, isolateHostsOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until, within } from '../kit/until.ts';

// The whole product, with an isolate host that falls silent or dies in the middle of answers (ADVERSARY 29).

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
  await install(core, {
    manifest: { name: 'answering' },
    'index.ts': `
      export default {
        onLoad({ api }) {
          const open = { auth: 'public' } as const;
          api.get('/hello', () => 'hello', open);
          api.get('/wait', () => new Promise((resolve) => setTimeout(() => resolve('late'), 25_000)), open);
          api.get('/drip', () => {
            let drops = 0;
            const body = new ReadableStream({
              async pull(controller) {
                if (drops > 0) await new Promise((resolve) => setTimeout(resolve, 20));
                controller.enqueue(new TextEncoder().encode('drop ' + (drops += 1) + '\\n'));
              },
            });
            return new Response(body);
          }, open);
        },
      };`,
  });
});
afterAll(async () => {
  await core?.stop();
});

const get = (path: string) => core.api('GET', `/api/plugins/answering/${path}`, { token: null });

/** The Node process that the plugin is in. */
async function itsHost(): Promise<number> {
  const { body } = await core.api('GET', '/readyz?verbose');
  const shown = /: pid (\d+), [1-9]\d* isolates/.exec(JSON.stringify(body));
  if (shown === null) throw new Error(`no process has an isolate: ${JSON.stringify(body)}`);
  const family = [Number(shown[1]), ...descendantsOf(Number(shown[1])).map(({ pid }) => pid)];
  const host = isolateHostsOf(core.pid).find((pid) => family.includes(pid));
  if (host === undefined) throw new Error(`pid ${shown[1]} is no isolate host`);
  return host;
}

/** Asks the core's own endpoints again and again until it is stopped; answers the worst that it saw. */
function watchCore(): { stop(): Promise<{ statuses: number[]; slowestMs: number; count: number }> } {
  const statuses = new Set<number>();
  let [slowestMs, count, running] = [0, 0, true];
  const watching = (async () => {
    while (running) {
      for (const path of ['/healthz', '/api/plugins', '/api/users', '/api/plugins/answering']) {
        const started = performance.now();
        statuses.add((await core.api('GET', path)).status);
        slowestMs = Math.max(slowestMs, performance.now() - started);
        count += 1;
      }
    }
  })();
  return {
    async stop() {
      running = false;
      await watching;
      return { statuses: [...statuses], slowestMs, count };
    },
  };
}

/** Requests that are under way in the plugin: their handlers run. */
async function underWay(count: number): Promise<{ answers: Promise<Awaited<ReturnType<typeof get>>[]> }> {
  const answers = Promise.all(Array.from({ length: count }, () => get('wait')));
  // One that came after them is answered: so they were read.
  expect((await get('hello')).body).toBe('hello');
  return { answers };
}

describe.each([
  ['falls silent', 'SIGSTOP', 10_000],
  ['is killed', 'SIGKILL', 3_000],
] as const)('a host that %s', (_what, signal, ms) => {
  test('what is in flight gets 503 with Retry-After, the core answers throughout, the plugin is back', async () => {
    await until(async () => (await get('hello')).status === 200, 'it serves');
    const { answers } = await underWay(8);
    const watch = watchCore();
    process.kill(await itsHost(), signal);
    for (const { status, headers, body } of await within(answers, 'all are answered', ms)) {
      expect({ status, retry: headers.get('retry-after'), code: body.code }).toEqual({
        status: 503,
        retry: '1',
        code: 'plugin_unavailable',
      });
    }
    await until(async () => (await get('hello')).status === 200, 'it serves again');
    const { statuses, slowestMs, count } = await watch.stop();
    expect(statuses).toEqual([200]);
    expect(count).toBeGreaterThan(8);
    expect(slowestMs).toBeLessThan(1_500);
    expect((await core.api('GET', '/api/plugins/answering')).body).toMatchObject({ state: 'active', error: null });
  });

  test('a body that is under way breaks off: its client sees that it is not whole', async () => {
    await until(async () => (await get('hello')).status === 200, 'it serves');
    const response = await fetch(`${core.url}/api/plugins/answering/drip`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('drop 1');
    process.kill(await itsHost(), signal);
    const drain = async (): Promise<string> => {
      for (;;) if ((await reader.read()).done) return 'ended as if it were whole';
    };
    const end = await within(
      drain().catch(() => 'broke off'),
      'the body ends',
      ms,
    );
    expect(end).toBe('broke off');
    await until(async () => (await get('hello')).status === 200, 'it serves again');
  });
});

test('the plugin was not blamed for what was done to its process', async () => {
  expect((await core.api('GET', '/api/plugins/answering')).body).toMatchObject({ state: 'active' });
  expect(core.lines.filter(({ msg }) => msg?.includes('nobody waited for it'))).toEqual([]);
});
