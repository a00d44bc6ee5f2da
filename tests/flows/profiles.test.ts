import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { connectCdp } from '../kit/cdp.ts';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// CPU profiles and heap snapshots of a plugin at work, through the real product.

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const INDEX = `import { fibonacci } from './maths.ts';

class RememberedVisitor { constructor(readonly name: string) {} }

export default {
  onLoad({ api }) {
    const open = { auth: 'public' } as const;
    const visitors: RememberedVisitor[] = [];
    api.get('/work', () => ({ value: fibonacci(24) }), open);
    api.get('/visit/:name', (_request, ctx) => {
      visitors.push(new RememberedVisitor('visitor ' + ctx.params.name));
      return { visitors: visitors.length };
    }, open);
  },
};`;
const MATHS = `/** Slow on purpose. */
export function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
`;

const worker = (name: string) => install(core, { manifest: { name }, 'index.ts': INDEX, 'maths.ts': MATHS });
const ask = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const host = async (name: string): Promise<string> => (await core.api('GET', `/api/plugins/${name}`)).body.host;
const isBack = (name: string) => until(async () => (await host(name)).startsWith('unverified'), 'it is where it was');

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly hitCount: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
  readonly startTime: number;
  readonly endTime: number;
}

test('a CPU profile says where the time goes, in the author’s files, while the plugin serves', async () => {
  await worker('profiled');
  let over = false;
  const working = (async () => {
    const statuses = new Set<number>();
    while (!over) statuses.add((await ask('profiled/work')).status);
    return [...statuses];
  })();
  const { status, headers, body } = await core.api('POST', '/api/plugins/profiled/profile', { body: { seconds: 1 } });
  over = true;
  expect(await working).toEqual([200]);
  expect(status).toBe(200);
  expect(headers.get('content-disposition')).toBe('attachment; filename="profiled.cpuprofile"');

  const profile = body as Profile;
  const own = profile.nodes.filter(({ callFrame }) => callFrame.url.startsWith('plugin://'));
  const slow = own.filter(({ callFrame }) => callFrame.functionName === 'fibonacci');
  expect(slow[0]?.callFrame).toMatchObject({ url: 'plugin://profiled/maths.ts', lineNumber: 1 });
  // How many samples there are is the machine's affair.
  const hits = (nodes: Profile['nodes']) => nodes.reduce((sum, { hitCount }) => sum + hitCount, 0);
  expect(hits(slow)).toBeGreaterThan(hits(own) / 2);
  expect(profile.timeDeltas).toHaveLength(profile.samples.length);
  expect((profile.endTime - profile.startTime) / 1e6).toBeGreaterThanOrEqual(1);
  await isBack('profiled');
});

test('a heap snapshot has what the plugin remembers', async () => {
  await worker('remembered');
  const asked = core.api('POST', '/api/plugins/remembered/heap-snapshot', { body: { afterSeconds: 1 } });
  await until(async () => (await host('remembered')).startsWith('inspected:'), 'it is in an isolate of its own');
  for (const name of ['Ada', 'Grace']) expect((await ask(`remembered/visit/${name}`)).status).toBe(200);
  const { status, headers, body } = await asked;
  expect(status).toBe(200);
  expect(headers.get('content-disposition')).toBe('attachment; filename="remembered.heapsnapshot"');
  const { snapshot, nodes, strings } = body as {
    snapshot: { node_count: number; meta: { node_fields: string[] } };
    nodes: number[];
    strings: string[];
  };
  const fields = snapshot.meta.node_fields;
  expect(nodes).toHaveLength(snapshot.node_count * fields.length);
  expect(strings).toContain('RememberedVisitor');
  const name = strings.indexOf('RememberedVisitor');
  const objects = nodes.filter((value, at) => at % fields.length === fields.indexOf('name') && value === name);
  expect(objects.length).toBeGreaterThanOrEqual(2);
  await isBack('remembered');
});

test('one at a time: while a plugin is measured or debugged, nobody else does either', async () => {
  await worker('asked-twice');
  const authorization = `Bearer ${core.token}`;
  await using _session = await connectCdp(`${core.url}/api/plugins/asked-twice/inspector`, { authorization });
  for (const what of ['profile', 'heap-snapshot']) {
    const { status, body } = await core.api('POST', `/api/plugins/asked-twice/${what}`);
    expect([what, status, body.code]).toEqual([what, 409, 'inspector_busy']);
  }
  await worker('another');
  expect((await core.api('POST', '/api/plugins/another/profile', { body: { seconds: 0.1 } })).status).toBe(200);
});

test('whoever asked goes away: the measurement ends, and the plugin is back', async () => {
  await worker('left');
  const left = new AbortController();
  const asked = fetch(`${core.url}/api/plugins/left/profile`, {
    method: 'POST',
    body: JSON.stringify({ seconds: 60 }),
    headers: { authorization: `Bearer ${core.token}`, 'content-type': 'application/json' },
    signal: left.signal,
  }).catch(() => 'left');
  await until(async () => (await host('left')).startsWith('inspected:'), 'it is measured');
  left.abort();
  expect(await asked).toBe('left');
  await isBack('left');
});

test('seconds have bounds', async () => {
  await worker('bounded');
  for (const [path, body] of [
    ['profile', { seconds: 61 }],
    ['profile', { seconds: 0 }],
    ['profile', { seconds: 1, of: 'x' }],
    ['heap-snapshot', { afterSeconds: -1 }],
  ] as const) {
    expect((await core.api('POST', `/api/plugins/bounded/${path}`, { body })).status).toBe(422);
  }
});
