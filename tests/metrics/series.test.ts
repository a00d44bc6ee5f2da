import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install } from '../kit/plugin.ts';
import { type Family, lintMetrics, parseMetrics } from '../kit/prometheus-text.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

const ROOT = join(import.meta.dir, '../..');
/** The variable that says which Prometheus. */
const DATASOURCE = ['$', '{datasource}'].join('');
const SUFFIX = /_(bucket|sum|count)$/;

let core: RunningCore;
const busy = `export default { onLoad({ api, storage, events, fetch }) {
  const open = { auth: 'public' };
  events.on('plugin.metered.done', () => undefined);
  api.get('/work', async () => {
    await storage.set('a', 1);
    await events.emit('done');
    await fetch('http://127.0.0.1:3333/').catch(() => undefined);
    return 'worked';
  }, open);
  api.get('/fail', () => { throw new Error('as asked'); }, open);
} };`;

async function scrape(): Promise<Family[]> {
  return parseMetrics(await (await fetch(`${core.url}/metrics`)).text());
}

const seriesValue = (families: readonly Family[], name: string, labels: Record<string, string>): number | undefined =>
  families
    .flatMap(({ samples }) => samples)
    .find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )?.value;

beforeAll(async () => {
  core = await startCore();
  await install(core, { manifest: { name: 'metered', permissions: ['network:127.0.0.1:1'] }, 'index.ts': busy });
  for (const path of ['work', 'work', 'fail']) await fetch(`${core.url}/api/plugins/metered/${path}`);
}, 60_000);
afterAll(() => core?.stop());

test('every series of ours keeps to the conventions of Prometheus', async () => {
  const own = (await scrape()).filter(({ name }) => name.startsWith('streamspace_'));
  expect(own.length).toBeGreaterThan(30);
  expect(lintMetrics(own)).toEqual([]);
});

test('a plugin is counted: calls, errors, calls into the core, events, state', async () => {
  const plugin = 'metered';
  const all = await until(async () => {
    const families = await scrape();
    return seriesValue(families, 'streamspace_plugin_events_delivered_total', { plugin }) === 2 ? families : null;
  }, 'both events are delivered');
  const value = (name: string, labels = {}) => seriesValue(all, `streamspace_plugin_${name}`, { plugin, ...labels });
  expect(value('errors_total')).toBe(1);
  // Its load, three requests, two events.
  expect(value('call_duration_seconds_count')).toBe(6);
  expect(value('host_calls_total', { capability: 'storage' })).toBe(2);
  expect(value('host_call_duration_seconds_count', { capability: 'storage' })).toBe(2);
  expect(value('host_call_errors_total', { capability: 'storage' })).toBeUndefined();
  expect(value('host_call_errors_total', { capability: 'fetch' })).toBe(2);
  expect(value('state', { state: 'active' })).toBe(1);
  expect(value('state', { state: 'quarantined' })).toBe(0);
  expect(value('events_lag_seconds')).toBeGreaterThanOrEqual(0);
  expect(value('storage_bytes')).toBeGreaterThan(0);
  const { body } = await core.call<Record<string, unknown>>('GET', '/api/plugins/metered/metrics');
  expect(body).toMatchObject({ calls: 6, errors: 1, hostCallErrors: { fetch: 2 } });
});

test('the core and its hosts are measured', async () => {
  const all = await scrape();
  expect(seriesValue(all, 'streamspace_build_info', {})).toBe(1);
  expect(seriesValue(all, 'streamspace_database_pool_connections', { state: 'idle' })).toBeGreaterThan(0);
  expect(seriesValue(all, 'streamspace_database_pool_connections', { state: 'waiting' })).toBeGreaterThanOrEqual(0);
  const hosts = all.find(({ name }) => name === 'streamspace_host_resident_memory_bytes')?.samples ?? [];
  expect(hosts.some(({ value }) => value > 1_000_000)).toBe(true);
  expect(seriesValue(all, 'nodejs_eventloop_lag_p99_seconds', {})).toBeGreaterThan(0);
});

test('methods that a client makes up do not make series', async () => {
  await fetch(`${core.url}/api/plugins/metered/work`, { method: 'PROPFIND' });
  const http = (await scrape()).find(({ name }) => name === 'streamspace_http_request_duration_seconds');
  const methods = new Set(http?.samples.map(({ labels }) => labels.method));
  expect([...methods].filter((method) => !['GET', 'POST', 'PATCH', 'ANY', 'OTHER'].includes(method ?? ''))).toEqual([]);
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}
interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

describe('what is written for operators asks for what there is', () => {
  /** Names of series in PromQL: what is no function, label or keyword. */
  const seriesIn = (text: string): string[] => [
    ...new Set(text.match(/\b(streamspace|process|nodejs)_[a-z0-9_]+/g) ?? []),
  ];
  const missing = async (asked: readonly string[]): Promise<string[]> => {
    const families = new Map((await scrape()).map((family) => [family.name, family.type]));
    return asked.filter((name) => !families.has(name) && families.get(name.replace(SUFFIX, '')) !== 'histogram');
  };

  test('the dashboard', async () => {
    const board = JSON.parse(await readFile(join(ROOT, 'deploy/grafana/streamspace.json'), 'utf8')) as Dashboard;
    const { panels, templating, schemaVersion, uid } = board;
    expect([uid, schemaVersion >= 39]).toEqual(['streamspace', true]);
    expect(templating.list.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'datasource: datasource',
      'job: query',
      'plugin: query',
    ]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const drawn = panels.filter(({ type }) => type !== 'row');
    const expressions = drawn.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(drawn.filter(({ datasource, targets }) => datasource?.uid !== DATASOURCE || !targets?.length)).toEqual([]);
    expect(drawn.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
    const overlaps = drawn.filter((one, at) =>
      drawn
        .slice(at + 1)
        .some(
          ({ gridPos: { x, y, w, h } }) =>
            one.gridPos.x < x + w &&
            x < one.gridPos.x + one.gridPos.w &&
            one.gridPos.y < y + h &&
            y < one.gridPos.y + one.gridPos.h,
        ),
    );
    expect(overlaps).toEqual([]);
    const asked = seriesIn([...expressions, ...templating.list.map(({ definition = '' }) => definition)].join('\n'));
    expect(asked.length).toBeGreaterThan(25);
    expect(await missing(asked)).toEqual([]);
  });

  test('the page, with its alerts', async () => {
    const page = await readFile(join(ROOT, 'docs/operators/observability.md'), 'utf8');
    const asked = seriesIn(page);
    expect(asked.length).toBeGreaterThan(25);
    expect(await missing(asked)).toEqual([]);
    // And the other way round: what the product counts is on the page.
    const own = (await scrape()).map(({ name }) => name).filter((name) => name.startsWith('streamspace_'));
    expect(own.filter((name) => !page.includes(name))).toEqual([]);
  });
});

test('the series of a plugin that is removed go', async () => {
  await core.api('DELETE', '/api/plugins/metered');
  // What was read from the database may be some seconds old (src/events/lag.ts).
  const families = (await scrape()).filter(({ name }) => !/_events_(pending|dead|lag_seconds)$/.test(name));
  const left = families.flatMap(({ samples }) => samples.filter(({ labels }) => labels.plugin === 'metered'));
  expect(left).toEqual([]);
});
