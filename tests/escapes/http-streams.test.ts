import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until, within } from '../kit/until.ts';

// ADVERSARY 81 and 82: uploads that never end or never fit, and streams that would outlive their plugin.

setDefaultTimeout(60_000);

const STREAMER = `
  const open = { auth: 'public' };
  const encode = (text) => new TextEncoder().encode(text);
  const ticks = () => new Response(new ReadableStream({
    start(controller) { controller.enqueue(encode('data: 0\\n\\n')); setInterval(() => controller.enqueue(encode('data: more\\n\\n')), 20); },
  }), { headers: { 'content-type': 'text/event-stream' } });
  export default {
    onLoad({ api }) {
      api.get('/ticks', ticks, open);
      api.get('/silent', () => new Response(new ReadableStream({ start(c) { c.enqueue(encode('first')) } })), open);
      api.get('/deaf', () => new Response(new ReadableStream({ start(c) { c.enqueue(encode('first')) }, cancel: () => new Promise(() => 0) })), open);
      api.post('/upload', async (request) => { let n = 0; for await (const chunk of request.body) n += chunk.length; return n; }, open);
      api.post('/mirror', (request) => new Response(request.body), open);
      api.post('/ignore', async () => { await new Promise((done) => setTimeout(done, 300)); return 'did not look' }, open);
      api.get('/ping', () => 'pong', open);
    },
    HOOKS
  };`;
/** A courtesy that is not returned: nobody waits for it to close streams. */
const LINGERER = STREAMER.replace('HOOKS', 'onDisable: () => new Promise(() => 0)');

let core: RunningCore;
let neighbour: Evaluator;
/** An answer that comes after the hook of its plugin was given up. */
let lingering: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  core = await startCore();
  neighbour = await installEvaluator(core, 'good-neighbour');
  const manifest = { name: 'evil-streamer', limits: { wallMsPerCall: 1_000 } };
  await install(core, { manifest, 'index.ts': STREAMER.replace('HOOKS', '') });
});
afterAll(async () => {
  await lingering;
  await core?.stop();
});

const url = (path: string): string => `${core.url}/api/plugins/evil-streamer${path}`;

/** A stream whose first bytes have come, and how it ended. */
async function openStream(path: string, plugin = 'evil-streamer'): Promise<{ ended: Promise<string> }> {
  const answer = await fetch(`${core.url}/api/plugins/${plugin}${path}`);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  expect((await reader.read()).done).toBe(false);
  const drain = async (): Promise<string> => {
    try {
      for (;;) if ((await reader.read()).done) return 'ended';
    } catch {
      return 'broken';
    }
  };
  return { ended: drain() };
}

describe('ADVERSARY 82: streams end with their plugin', () => {
  test.each([
    ['disabled', 'POST', '/disable', 'enable'],
    ['switched off by a change', 'PATCH', '', 'enable'],
    ['uninstalled', 'DELETE', '', 'install'],
  ])('that is %s, whatever its sources do', async (_what, method, path, after) => {
    const streams = await Promise.all(['/ticks', '/silent', '/deaf'].map((stream) => openStream(stream)));
    const options = method === 'PATCH' ? { body: { enabled: false } } : {};
    const done = core.api(method, `/api/plugins/evil-streamer${path}`, options);
    await within(Promise.all(streams.map(({ ended }) => ended)), 'the streams are over', 2_000);
    expect((await fetch(url('/ping'))).status).toBe(404);
    expect((await done).status).toBeLessThan(300);
    if (after === 'enable') await core.api('POST', '/api/plugins/evil-streamer/enable');
    else
      await install(core, {
        manifest: { name: 'evil-streamer', limits: { wallMsPerCall: 1_000 } },
        'index.ts': STREAMER.replace('HOOKS', ''),
      });
    expect((await fetch(url('/ping'))).status).toBe(200);
  });

  test('whose onDisable does not return', async () => {
    await install(core, { manifest: { name: 'evil-lingerer' }, 'index.ts': LINGERER });
    const streams = await Promise.all(['/ticks', '/silent'].map((path) => openStream(path, 'evil-lingerer')));
    const started = performance.now();
    const disabled = core.api('POST', '/api/plugins/evil-lingerer/disable');
    await within(Promise.all(streams.map(({ ended }) => ended)), 'the streams are over', 2_000);
    // Well before the 5 s that a hook may take.
    expect(performance.now() - started).toBeLessThan(2_000);
    expect((await core.api('GET', '/api/plugins/evil-lingerer/ping')).status).toBe(404);
    lingering = disabled;
  });

  test('an upload to it ends too', async () => {
    const gone = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await Bun.sleep(5);
        controller.enqueue(new Uint8Array(1_000));
      },
      cancel: () => gone.resolve(),
    });
    const answer = await fetch(url('/mirror'), { method: 'POST', body });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    expect((await reader.read()).done).toBe(false);
    const over = (async () => {
      try {
        while (!(await reader.read()).done);
      } catch {
        // Broken is over, too.
      }
    })();
    const disabled = core.api('POST', '/api/plugins/evil-streamer/disable');
    await within(over, 'the answer is over', 2_000);
    await disabled;
    await core.api('POST', '/api/plugins/evil-streamer/enable');
  });
});

describe('ADVERSARY 81: uploads', () => {
  /** Sends the head and then one byte now and then, for ever. */
  function drip(path: string, head: string): { answer: Promise<string>; stop(): void } {
    const { hostname, port } = new URL(core.url);
    const answer = Promise.withResolvers<string>();
    let text = '';
    let timer: ReturnType<typeof setInterval> | undefined;
    const connecting = Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open(socket) {
          socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
          timer = setInterval(() => socket.write(head.includes('chunked') ? '1\r\nx\r\n' : 'x'), 20);
        },
        data(_socket, data) {
          text += data.toString('latin1');
          answer.resolve(text);
        },
        close: () => answer.resolve(text),
      },
    });
    return {
      answer: answer.promise,
      stop() {
        clearInterval(timer);
        void connecting.then((socket) => socket.terminate());
      },
    };
  }

  test('one that drips is over at the deadline of its handler', async () => {
    const slow = drip('/api/plugins/evil-streamer/upload', 'Transfer-Encoding: chunked');
    expect(await within(slow.answer, 'the deadline', 5_000)).toMatch(/^HTTP\/1\.1 504 /);
    slow.stop();
    expect(await until(async () => (await fetch(url('/ping'))).ok, 'it serves again')).toBe(true);
  });

  test('a hundred that drip hold up nobody', async () => {
    const slow = Array.from({ length: 100 }, (_, i) =>
      drip(
        `/api/plugins/evil-streamer/${i % 2 === 0 ? 'upload' : 'ignore'}`,
        i % 4 < 2 ? 'Content-Length: 1000000' : 'Transfer-Encoding: chunked',
      ),
    );
    for (let round = 0; round < 20; round += 1) {
      const started = performance.now();
      expect((await neighbour.get('/ping')).status).toBe(200);
      expect((await core.api('GET', '/healthz')).status).toBe(200);
      expect(performance.now() - started).toBeLessThan(1_000);
    }
    for (const { stop } of slow) stop();
    expect(await until(async () => (await fetch(url('/ping'))).ok, 'it serves again')).toBe(true);
  });

  test('what nobody reads is not held in memory', async () => {
    const megabytes = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${core.pid}/status`, 'utf8'))?.[1]) / 1024;
    await fetch(url('/ignore'), { method: 'POST', body: new Uint8Array(3_000_000) });
    const before = megabytes();
    let sent = 0;
    const body = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += 1_000_000;
          if (sent > 300_000_000) controller.close();
          else controller.enqueue(new Uint8Array(1_000_000));
        },
      });
    const answers = Array.from({ length: 4 }, () =>
      fetch(url('/ignore'), { method: 'POST', body: body() }).then(
        ({ status }) => status,
        () => 0,
      ),
    );
    for (const status of await Promise.all(answers)) expect([0, 200]).toContain(status);
    expect(megabytes() - before).toBeLessThan(100);
    expect((await fetch(url('/ping'))).ok).toBe(true);
  });

  test('a package that drips, or says that it is huge, is refused or waited for without harm', async () => {
    const { status } = await core.api('POST', '/api/plugins/install?grants=all', {
      headers: { 'content-type': 'application/gzip' },
      body: new Uint8Array(40_000_000),
    });
    expect([413, 422]).toContain(status);
    const unsigned = drip('/api/plugins/install', 'Content-Type: application/gzip\r\nContent-Length: 1000000');
    expect(await within(unsigned.answer, 'an answer before the body', 5_000)).toMatch(/^HTTP\/1\.1 401 /);
    unsigned.stop();
    const login = drip('/api/auth/login', 'Content-Type: application/json\r\nContent-Length: 2000000');
    expect(await within(login.answer, 'an answer before the body', 5_000)).toMatch(/^HTTP\/1\.1 413 /);
    login.stop();
  });
});
