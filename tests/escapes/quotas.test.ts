import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { fixturePackage, install } from '../kit/plugin.ts';
import { remoteControl } from '../kit/remote-control.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// One plugin that takes more than its share of one thing, a limit at a time: it is refused by an error that names the
// limit, and nobody else notices. That windows end is in tests/quotas, by a clock of the tests.

setDefaultTimeout(60_000);

let core: RunningCore;
let neighbour: ReturnType<typeof remoteControl>;

beforeAll(async () => {
  core = await startCore();
  const manifest = { name: 'neighbour', permissions: ['plugins:call:called'] };
  await install(core, await fixturePackage('remote-control', manifest));
  neighbour = remoteControl(core, 'neighbour');
});
afterAll(async () => {
  await core?.stop();
});

/** A glutton of its own with these limits; answers how to ask it. */
async function glutton(name: string, limits: object, grants: readonly string[] = []) {
  const archive = await fixturePackage('glutton', { name, limits });
  await install(core, archive, { grants: ['events:subscribe:custom.*', ...grants] });
  return (path: string) => core.api('GET', `/api/plugins/${name}${path}`, { token: null });
}

/** The other plugin computes, stores and logs as if nothing was. */
async function neighbourIsWell(): Promise<void> {
  const [stored, spent] = await Promise.all([
    neighbour('storage.increment', 'well'),
    neighbour('budget.get', 'timers'),
  ]);
  expect(stored.value).toBeGreaterThan(0);
  expect(spent.value).toMatchObject({ limit: 'timers', max: 10_000 });
}

/** A time within the next minute. */
function expectSoon(time: string): void {
  const inMs = Date.parse(time) - Date.now();
  expect(inMs).toBeGreaterThan(-1_000);
  expect(inMs).toBeLessThanOrEqual(60_000);
}

async function budgetOf(plugin: string, limit: string) {
  const { status, body } = await core.api('GET', `/api/plugins/${plugin}/budget`);
  expect(status).toBe(200);
  return (body.limits as { limit: string; max: number; used: number | null; resetsAt: string | null }[]).find(
    (entry) => entry.limit === limit,
  );
}

test('requests under way', async () => {
  const ask = await glutton('holder', { callsInFlight: 2 });
  const gone = new AbortController();
  const held = [1, 2].map(() =>
    fetch(`${core.url}/api/plugins/holder/hold`, { signal: gone.signal }).catch((error: unknown) => error),
  );
  await until(async () => (await budgetOf('holder', 'callsInFlight'))?.used === 2, 'two are under way');
  const { status, headers, body } = await ask('/hello');
  expect(status).toBe(429);
  expect(body).toMatchObject({ code: 'quota_exceeded', limit: 'callsInFlight', max: 2, resetsAt: null });
  expect(body.detail).toContain('callsInFlight');
  expect(headers.get('retry-after')).toBe('1');
  expect(headers.get('ratelimit-policy')).toBe('"callsInFlight";q=2;qu="concurrent-requests"');
  expect(headers.get('ratelimit')).toBe('"callsInFlight";r=0;t=1');
  await neighbourIsWell();
  gone.abort();
  await Promise.all(held);
  await until(async () => (await ask('/hello')).status === 200, 'there is room again');
});

test('CPU in a minute: endpoints are refused, calls of others too, and events wait', async () => {
  const ask = await glutton('burner', { cpuMsPerMinute: 100, cpuMsPerCall: 5_000 });
  expect((await ask('/burn?ms=300')).status).toBe(200);
  const { headers, body } = await until(async () => {
    const answer = await ask('/hello');
    return answer.status === 429 && answer;
  }, 'its CPU is heard of');
  expectSoon(body.resetsAt);
  expect(body).toMatchObject({ code: 'quota_exceeded', limit: 'cpuMsPerMinute', max: 100 });
  const seconds = Number(headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(headers.get('ratelimit-policy')).toBe('"cpuMsPerMinute";q=100;w=60;qu="cpu-ms"');
  expect(headers.get('ratelimit')).toBe(`"cpuMsPerMinute";r=0;t=${seconds}`);
  expect((await budgetOf('burner', 'cpuMsPerMinute'))?.used).toBeGreaterThanOrEqual(100);
  await neighbourIsWell();

  const published = await core.api('POST', '/api/events', { body: { name: 'custom.later', data: {} } });
  expect(published.status).toBeLessThan(300);
  await core.logged('burner', 'cpuMsPerMinute of burner');
  const { items } = (await core.api('GET', '/api/plugins/burner/deliveries')).body;
  expect(items).toMatchObject([{ state: 'pending', attempts: 0 }]);
  // The admin gives it more: that counts at once, and what waited comes.
  const patched = await core.api('PATCH', '/api/plugins/burner', { body: { limits: { cpuMsPerMinute: 60_000 } } });
  expect(patched.body.limits).toMatchObject({ cpuMsPerMinute: 60_000, cpuMsPerCall: 5_000 });
  await until(async () => (await ask('/heard?name=custom.later')).body === 1, 'the event is delivered', 20_000);
});

test('CPU of a plugin that never rests is heard of while it computes', async () => {
  const ask = await glutton('restless', { cpuMsPerMinute: 100, cpuMsPerCall: 10_000 });
  let ended = false;
  const burning = ask('/burn?ms=1500').finally(() => {
    ended = true;
  });
  await until(async () => ((await budgetOf('restless', 'cpuMsPerMinute'))?.used ?? 0) >= 100, 'its CPU is heard of');
  expect(ended).toBe(false);
  expect((await ask('/hello')).body).toMatchObject({ code: 'quota_exceeded', limit: 'cpuMsPerMinute' });
  // What had begun is let end.
  expect((await burning).status).toBe(200);
});

test('a method of a plugin over its CPU is refused to whoever calls it', async () => {
  const archive = await fixturePackage('remote-control', { name: 'called', limits: { cpuMsPerMinute: 1 } });
  await install(core, archive);
  const called = remoteControl(core, 'called');
  const { error } = await until(async () => {
    await called('storage.get', 'x').catch(() => null);
    const outcome = await neighbour('plugins.call', 'called', 'add', 1, 2);
    return outcome.error !== undefined && outcome;
  }, 'it is over its CPU');
  expect(error).toMatchObject({ code: 'quota_exceeded', name: 'QuotaError' });
  expect(error?.message).toContain('cpuMsPerMinute of called (1)');
  await neighbourIsWell();
});

// ADVERSARY 9
test('calls into the core: a flood of them is refused, and the plugin goes on', async () => {
  const limits = { hostCallsPerMinute: { default: 300 }, hostCallsInFlight: 50, cpuMsPerCall: 10_000 };
  const ask = await glutton('flooder', limits);
  const flooding = ask('/flood?count=20000');
  await neighbourIsWell();
  const { status, body } = await flooding;
  expect(status).toBe(200);
  const { ok, hostCallsInFlight: atOnce = 0, 'hostCallsPerMinute.storage': inMinute = 0 } = body;
  expect(ok).toBeGreaterThanOrEqual(50);
  expect(ok).toBeLessThanOrEqual(300);
  expect(atOnce).toBeGreaterThan(0);
  expect(ok + atOnce + inMinute).toBe(20_000);
  await until(async () => {
    const { body: more } = await ask('/flood?count=40');
    return more['hostCallsPerMinute.storage'] > 0;
  }, 'the calls of the minute are used up');
  const spent = (await ask('/spent?limit=hostCallsPerMinute.storage')).body.value;
  expectSoon(spent.resetsAt);
  expect(spent).toMatchObject({ limit: 'hostCallsPerMinute.storage', max: 300, used: 300 });
  await core.logged('flooder', 'hostCallsPerMinute.storage of flooder (300) is used up; it resets at');
  expect((await core.api('GET', '/api/plugins/flooder/metrics')).body.refusals.hostCallsInFlight).toBe(atOnce);
  await neighbourIsWell();
});

test('bytes to and from the network', async () => {
  let asked = 0;
  await using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => {
      asked += 1;
      return new Response('x'.repeat(6_000));
    },
  });
  const ask = await glutton('downloader', { outboundBytesPerMinute: 10_000 }, [`network:127.0.0.1:${server.port}`]);
  const get = async () => (await ask(`/fetch?url=http://127.0.0.1:${server.port}/`)).body;
  expect(await get()).toEqual({ value: 6_000 });
  const { error } = await get();
  expectSoon(error.resetsAt);
  expect(error).toMatchObject({ code: 'quota_exceeded', limit: 'outboundBytesPerMinute', max: 10_000 });
  expect(error.message).toContain('outboundBytesPerMinute');
  // From now on nothing is even sent.
  expect((await get()).error.limit).toBe('outboundBytesPerMinute');
  expect(asked).toBe(2);
  await neighbourIsWell();
});

// ADVERSARY 21
test('lines of log: a flood is cut, its controls are escaped, and the core still says what it has to say', async () => {
  const ask = await glutton('chatterbox', {
    logLinesPerMinute: 50,
    hostCallsPerMinute: { log: 2_000 },
    cpuMsPerCall: 10_000,
  });
  await ask('/log?count=5000');
  await core.logged('chatterbox', 'lines were dropped: more than 50 a minute (logLinesPerMinute)');
  await core.logged('chatterbox', 'hostCallsPerMinute.log of chatterbox (2000) is used up');
  const { body } = await core.api('GET', '/api/plugins/chatterbox/logs?limit=1000&follow=false');
  expect(body.match(/line \d+/g)).toHaveLength(50);
  expect(body).toContain('\\\\x1b[31mline 0\\\\x1b[0m\\\\x0d');
  const written = core.lines.filter(({ plugin, msg }) => plugin === 'chatterbox' && String(msg).includes('line '));
  expect(written).toHaveLength(50);
  expect(written[0]?.msg).toBe('\\x1b[31mline 0\\x1b[0m\\x0d');
  expect(JSON.stringify(core.lines)).not.toMatch(/\\u001b|\\r/);
  await neighbour('log.info', 'the neighbour is heard');
  await core.logged('neighbour', 'the neighbour is heard');
});

test('bytes of storage: what is deleted is free again, and an admin may give more', async () => {
  const ask = await glutton('hoarder', { storageBytes: 1_000 });
  expect((await ask('/store?bytes=900')).body.value).toBeDefined();
  const { error } = (await ask('/store?bytes=2000')).body;
  expect(error).toMatchObject({ code: 'quota_exceeded', limit: 'storageBytes', max: 1_000, resetsAt: null });
  expect((await ask('/spent?limit=storageBytes')).body.value).toMatchObject({ max: 1_000, used: 905 });
  expect((await ask('/store?bytes=10')).body.value).toBeDefined();
  await core.api('PATCH', '/api/plugins/hoarder', { body: { limits: { storageBytes: 5_000 } } });
  expect((await ask('/store?bytes=2000')).body.value).toBeDefined();
  await neighbourIsWell();
});

// ADVERSARY 23
test('timers', async () => {
  const ask = await glutton('ticker', { timers: 100, cpuMsPerCall: 10_000 });
  const { body } = await ask('/timers?count=100000');
  expect(body).toEqual({
    made: 100,
    name: 'QuotaExceededError',
    message: 'The limit timers (100) is used up: as many wait',
    again: 'number',
  });
  await neighbourIsWell();
});

test('bytes of an answer: whole or streamed', async () => {
  const ask = await glutton('talker', { responseBytes: 10_000 });
  expect((await ask('/answer?bytes=10000')).status).toBe(200);
  const { status, body } = await ask('/answer?bytes=10001');
  expect(status).toBe(502);
  expect(body).toMatchObject({ code: 'plugin_bad_answer', limit: 'responseBytes', max: 10_000 });
  expect((await (await fetch(`${core.url}/api/plugins/talker/stream?chunks=10`)).arrayBuffer()).byteLength).toBe(
    10_000,
  );
  const read = async () => (await fetch(`${core.url}/api/plugins/talker/stream?chunks=100000`)).arrayBuffer();
  expect(
    await read().then(
      () => 'whole',
      () => 'cut',
    ),
  ).toBe('cut');
  await core.logged('talker', 'broke off: it is over the limit responseBytes (10000)');
  expect((await ask('/hello')).status).toBe(200);
  await neighbourIsWell();
});

test('what was asked, what was set and what wins is shown; a name or number that is none is refused', async () => {
  await glutton('asker', { callsInFlight: 1e9, hostCallsPerMinute: { storage: 5 } });
  const { limits } = (await core.api('GET', '/api/plugins/asker')).body;
  expect(limits).toMatchObject({ callsInFlight: 4_096, hostCallsPerMinute: { storage: 5, fetch: 3_000 } });
  for (const asked of [{ callsInFlight: 0 }, { calls: 5 }, { hostCallsPerMinute: 5 }]) {
    const answer = await core.api('PATCH', '/api/plugins/asker', { body: { limits: asked } });
    expect(answer.status).toBe(422);
  }
  const member = await core.signUp('member@example.com');
  expect((await core.api('GET', '/api/plugins/asker/budget', { token: member })).status).toBe(403);
});
