import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { CallTrail } from '../../src/broker/call-trail.ts';
import { createLog } from '../../src/log.ts';
import { StackMapper } from '../../src/plugins/source-map.ts';
import { POST_MORTEM_LIMITS } from '../../src/post-mortems/limits.ts';
import { createPostMortems, type PostMortems } from '../../src/post-mortems/post-mortems.ts';
import type { PostMortemFacts } from '../../src/post-mortems/record.ts';
import { createRedactor } from '../../src/secrets/redact.ts';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { fakeGuest } from '../kit/fake-guest.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

const SECRET = 'hunter2-hunter2';
const FACTS: PostMortemFacts = {
  plugin: 'billing',
  version: '1.2.3',
  cause: 'cpu',
  verdict: 'culprit',
  outcome: 'reloaded',
  detail: 'It ran on',
  host: { pid: 4711, placement: 'unverified-1', rssBytes: 1e8 },
  underWay: [{ what: 'GET /loop', ms: 512 }],
  lastCalls: [{ call: 'storage.get', permission: null, at: '2026-11-21T10:00:00.000Z', ms: 0.5, outcome: 'ok' }],
  heap: { usedBytes: 1e6, limitBytes: 1e7, cpuMs: 700 },
  stack: 'Error: timed out\n    at spin (index.ts:4:5)',
};

let base: TestDatabase;
let logged: Record<string, unknown>[];
let trail: CallTrail;
let postMortems: PostMortems;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base.drop());
beforeEach(async () => {
  logged = [];
  trail = new CallTrail();
  postMortems = make();
  await installPlugin(base.db, 'billing');
});
afterEach(() => resetEvents(base.db));

function make(limits = POST_MORTEM_LIMITS): PostMortems {
  const log = createLog('info', { write: (line) => logged.push(JSON.parse(line)) });
  const redactor = createRedactor();
  redactor.set('billing', [SECRET]);
  return createPostMortems({ db: base.db, redactor, log, trail, limits });
}
const all = (plugin = 'billing', limit = 50) => postMortems.list(plugin, { limit });

describe('what is written', () => {
  test('is what is read', async () => {
    await postMortems.write(FACTS);
    const { items, nextCursor } = await all();
    const { host, underWay, lastCalls, heap, stack, ...summary } = FACTS;
    expect(items).toEqual([{ ...summary, id: expect.any(Number), at: expect.stringMatching(/^\d{4}-.*Z$/) }]);
    expect(nextCursor).toBeNull();
    expect(await postMortems.get('billing', items[0]?.id ?? 0)).toEqual({
      ...FACTS,
      id: items[0]?.id ?? 0,
      at: items[0]?.at ?? '',
    });
  });

  test('may lack host and stack, calls and invocations', async () => {
    const bare: PostMortemFacts = { ...FACTS, host: null, stack: null, underWay: [], lastCalls: [] };
    await postMortems.write(bare);
    const [first] = (await all()).items;
    expect(await postMortems.get('billing', first?.id ?? 0)).toMatchObject({ ...bare });
  });

  test('has no secret of the plugin and no control character, whatever the guest calls things', async () => {
    const evil = `${SECRET} \u001b[2J\u202e\0\ud800`;
    await postMortems.write({
      ...FACTS,
      detail: evil,
      underWay: [{ what: evil, ms: 1 }],
      lastCalls: FACTS.lastCalls.map((call) => ({ ...call, call: evil, permission: evil })),
      stack: `at ${evil}`,
    });
    const [first] = (await all()).items;
    const found = await postMortems.get('billing', first?.id ?? 0);
    const safe = '******** \\x1b[2J\\u202e\\x00\ufffd';
    expect(found?.detail).toBe(safe);
    expect(found?.underWay[0]?.what).toBe(safe);
    expect(found?.lastCalls[0]).toMatchObject({ call: safe, permission: safe });
    expect(found?.stack).toBe(`at ${safe}`);
  });

  test('is cut to its limits', async () => {
    const long = 'x'.repeat(100_000);
    await postMortems.write({
      ...FACTS,
      detail: long,
      stack: long,
      underWay: Array.from({ length: 1_000 }, () => ({ what: long, ms: 1 })),
    });
    const [first] = (await all()).items;
    const found = await postMortems.get('billing', first?.id ?? 0);
    expect(found?.underWay).toHaveLength(POST_MORTEM_LIMITS.underWay);
    expect(JSON.stringify(found).length).toBeLessThan(50_000);
  });

  test('that cannot be kept is logged and disturbs nobody', async () => {
    await postMortems.write({ ...FACTS, plugin: 'never-installed' });
    expect((await all('never-installed')).items).toEqual([]);
    expect(logged).toMatchObject([{ level: 'error', plugin: 'never-installed', cause: 'cpu' }]);
  });
});

describe('what is kept', () => {
  const details = async (plugin?: string) => (await all(plugin)).items.map(({ detail }) => detail);

  test('is the newest of each plugin, and nothing that is too old', async () => {
    postMortems = make({ ...POST_MORTEM_LIMITS, kept: 3, days: 30 });
    await installPlugin(base.db, 'other');
    await postMortems.write({ ...FACTS, plugin: 'other', detail: 'old' });
    await sql`update plugin_post_mortems set at = now() - interval '31 days'`.execute(base.db);
    await postMortems.write({ ...FACTS, plugin: 'other', detail: 'recent' });
    for (let at = 1; at <= 5; at += 1) await postMortems.write({ ...FACTS, detail: `no ${at}` });
    expect(await details()).toEqual(['no 5', 'no 4', 'no 3']);
    expect(await details('other')).toEqual(['recent']);
  });

  test('goes with the plugin', async () => {
    await postMortems.write(FACTS);
    await base.db.deleteFrom('installed_plugins').execute();
    const rows = await base.db.selectFrom('plugin_post_mortems').select('id').execute();
    expect(rows).toEqual([]);
  });

  test('is paged, newest first, and one plugin never sees those of another', async () => {
    await installPlugin(base.db, 'other');
    await postMortems.write({ ...FACTS, plugin: 'other' });
    for (const detail of ['a', 'b', 'c']) await postMortems.write({ ...FACTS, detail });
    const first = await postMortems.list('billing', { limit: 2 });
    expect(first.items.map(({ detail }) => detail)).toEqual(['c', 'b']);
    const second = await postMortems.list('billing', { limit: 2, before: Number(first.nextCursor) });
    expect(second).toMatchObject({ items: [{ detail: 'a' }], nextCursor: null });
    expect(await postMortems.get('other', first.items[0]?.id ?? 0)).toBeNull();
    expect(await postMortems.get('billing', 999_999_999)).toBeNull();
  });
});

describe('record', () => {
  const deceased = {
    plugin: 'billing',
    version: '1.2.3',
    limits: { memoryMb: 16, cpuMsPerCall: 200 },
    stacks: new StackMapper('billing', '{"version":3,"sources":["index.ts"],"names":[],"mappings":"AAAA"}'),
  };
  const loss = {
    reason: 'cpu',
    verdict: 'culprit',
    error: {
      name: 'Error',
      message: 'timed out',
      stack: 'Error: timed out\n    at spin (plugin:billing:1:1)',
      code: null,
    },
    detail: 'timed out',
    underWay: [{ what: 'GET /loop', ms: 512.345 }],
  } as const;

  test('takes the trail as it is at that moment, the heap, the process, and maps the stack', async () => {
    const { guest } = fakeGuest();
    Object.assign(guest, { heapBytes: 123, cpuMs: 45.6, home: { pid: 9, rss: 1_000, placement: 'verified' } });
    trail.begin(guest, '"storage.get"');
    postMortems.record(guest, deceased, loss, 'quarantined');
    trail.drop(guest);
    const [first] = await until(
      async () => ((await all()).items.length > 0 ? (await all()).items : null),
      'it is kept',
    );
    expect(await postMortems.get('billing', first?.id ?? 0)).toMatchObject({
      cause: 'cpu',
      outcome: 'quarantined',
      detail: 'It ran on for more than its 200 ms: timed out',
      host: { pid: 9, placement: 'verified', rssBytes: 1_000 },
      underWay: [{ what: 'GET /loop', ms: 512 }],
      lastCalls: [{ call: 'storage.get', outcome: 'pending' }],
      heap: { usedBytes: 123, limitBytes: 16 * 1024 * 1024, cpuMs: 46 },
      stack: 'Error: timed out\n    at spin (index.ts:1:1)',
    });
  });

  test('never throws into whoever has a plugin to bring back', () => {
    const stacks = new StackMapper('billing', 'no map');
    postMortems.record(fakeGuest().guest, { ...deceased, stacks }, loss, 'reloaded');
    expect(logged).toMatchObject([{ level: 'error', plugin: 'billing', cause: 'cpu' }]);
  });

  test.each([
    ['let go', { reason: 'disposed' }],
    ['that did not load', { reason: 'load' }],
    ['that had no part in the loss of its process', { reason: 'host', verdict: 'bystander' }],
  ] as const)('of an isolate %s is none', async (_what, other) => {
    postMortems.record(fakeGuest().guest, deceased, { ...loss, ...other }, 'reloaded');
    await postMortems.write({ ...FACTS, detail: 'after it' });
    expect((await all()).items).toMatchObject([{ detail: 'after it' }]);
  });
});
