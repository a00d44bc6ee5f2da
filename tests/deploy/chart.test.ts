import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import { ALL_ON, RWX } from '../kit/chart-values.ts';
import { CHART, type Manifest, renderChart, type Values } from '../kit/helm/chart.ts';
import { problemsOf } from '../kit/kubernetes.ts';

// The chart, rendered (tests/kit/helm) and checked against the OpenAPI schemas of Kubernetes. No cluster has seen it.

const VARIANTS: readonly (readonly [name: string, values: Values])[] = [
  ['as it comes', {}],
  ['all on', ALL_ON],
  ['three replicas', { ...RWX, replicaCount: 3 }],
  ['autoscaled', { ...RWX, autoscaling: { enabled: true } }],
  [
    'files in a plugin',
    { replicaCount: 2, files: { backend: 'plugin:streamspace-storage-s3', persistence: { enabled: false } } },
  ],
  ['a claim of the operator', { files: { persistence: { existingClaim: 'my-files' } } }],
  [
    'as little as can be',
    {
      migrations: { enabled: false },
      networkPolicy: { enabled: false },
      podDisruptionBudget: { enabled: false },
      serviceAccount: { create: false },
    },
  ],
  ['an open network', { networkPolicy: { egress: { internet: { enabled: false } } } }],
  ['a name of its own', { fullnameOverride: 'platform' }],
];

const podOf = (manifest: Manifest): Manifest => manifest.spec.template.spec;
const container = (values: Values, name: string): Manifest =>
  podOf(renderChart(values).kind('Deployment')).containers.find((one: Manifest) => one.name === name);

describe.each(VARIANTS)('%s', (_name, values) => {
  const { manifests, notes } = renderChart(values);

  test('each manifest is what Kubernetes takes, without a field that it does not know', async () => {
    for (const manifest of manifests) {
      expect([manifest.kind, await problemsOf(manifest)]).toEqual([manifest.kind, []]);
    }
  });

  test('each has a name that a label can hold, the usual labels, and no other with that name and kind', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of manifests) {
      expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/name': 'streamspace',
        'app.kubernetes.io/instance': 'streamspace',
        'app.kubernetes.io/managed-by': 'Helm',
      });
    }
  });

  test('what selects pods selects those of the Deployment', () => {
    const { kind } = renderChart(values);
    const { labels } = kind('Deployment').spec.template.metadata;
    const selectors = manifests.flatMap(({ kind: what, spec }) => {
      if (what === 'Service') return [spec.selector];
      if (what === 'NetworkPolicy') return [spec.podSelector.matchLabels];
      return ['Deployment', 'PodDisruptionBudget'].includes(what) ? [spec.selector.matchLabels] : [];
    });
    expect(selectors.length).toBeGreaterThan(1);
    for (const selector of selectors) expect(labels).toMatchObject(selector);
  });

  test('the core starts with the environment that it gets', () => {
    const env = { ...renderChart(values).kind('ConfigMap').data };
    const config = loadConfig({ ...env, DATABASE_URL: 'postgres://u:p@db/x' });
    expect(config.isolateHost).toBe('/run/streamspace/host/agent.sock');
    expect(config.host).toBe('0.0.0.0');
    const hasVolume = JSON.stringify(manifests).includes('"mountPath":"/files"');
    expect(config.filesDir).toBe(hasVolume ? '/files/streamspace' : null);
  });

  test('the notes say what to do', () => {
    expect(notes).toContain('Sign in as admin@localhost');
    expect(notes).not.toContain('<no value>');
  });
});

test('every template is rendered by one of them', () => {
  const rendered = new Set(VARIANTS.flatMap(([, values]) => renderChart(values).files));
  const templates = readdirSync(join(CHART, 'templates')).filter((file) => file.endsWith('.yaml'));
  expect([...rendered].sort()).toEqual(templates.sort());
});

describe('the check itself', () => {
  const service = renderChart().kind('Service');

  test.each<[string, Manifest, string]>([
    ['an unknown field', { ...service, spec: { ...service.spec, selektor: {} } }, '/spec/selektor: unknown field'],
    [
      'one deep within',
      { ...service, spec: { ...service.spec, ports: [{ port: 80, name: 'a', tls: true }] } },
      '/spec/ports/0/tls: unknown field',
    ],
    [
      'a wrong type',
      { ...service, spec: { ...service.spec, ports: [{ port: '80' }] } },
      '/spec/ports/0/port: type {"type":"integer"}',
    ],
    [
      'what is missing',
      { ...service, spec: { ...service.spec, ports: [{ name: 'a' }] } },
      '/spec/ports/0: required {"missingProperty":"port"}',
    ],
    ['a kind without a schema', { ...service, kind: 'Serviec' }, 'there is no schema for v1/Serviec'],
  ])('finds %s', async (_what, manifest, problem) => {
    expect(await problemsOf(manifest)).toEqual([problem]);
  });
});

describe('values that cannot work are refused with what to do', () => {
  test.each<[string, Values, string]>([
    ['replicas without shared files', { replicaCount: 2 }, 'ReadWriteMany'],
    ['autoscaling without shared files', { autoscaling: { enabled: true } }, 'ReadWriteMany'],
    ['files that go with the pod', { files: { persistence: { enabled: false } } }, 'would lose the files'],
    ['a monitor without a token', { serviceMonitor: { enabled: true } }, 'tokenSecret.name'],
    ['an ingress without a host', { ingress: { enabled: true } }, 'ingress.hosts'],
    ['an unknown value', { replicas: 2 }, 'additional properties'],
    ['a value of the wrong type', { replicaCount: '2' }, 'values/replicaCount must be integer'],
    [
      'a memory limit taken away',
      { isolateHost: { resources: { limits: { memory: null } } } },
      "must have required property 'memory'",
    ],
    ['a secret as a plain variable', { extraEnv: [{ name: 'STREAMSPACE_SECRET_KEY', value: 'x' }] }, 'extraEnv'],
  ])('%s', (_what, values, message) => {
    expect(() => renderChart(values)).toThrow(message);
  });
});

describe('what depends on values', () => {
  test('pods overlap in an update only where both can have the files', () => {
    expect(renderChart().kind('Deployment').spec.strategy.type).toBe('Recreate');
    expect(renderChart(RWX).kind('Deployment').spec.strategy.type).toBe('RollingUpdate');
    expect(renderChart({ files: { backend: 'plugin:some-storage' } }).kind('Deployment').spec.strategy.type).toBe(
      'RollingUpdate',
    );
  });

  test('an autoscaler owns the number of replicas', () => {
    expect(renderChart({ ...RWX, replicaCount: 3 }).kind('Deployment').spec.replicas).toBe(3);
    const scaled = renderChart({ ...RWX, autoscaling: { enabled: true } });
    expect(scaled.kind('Deployment').spec.replicas).toBeUndefined();
    expect(scaled.kind('HorizontalPodAutoscaler').spec.scaleTargetRef.name).toBe(
      scaled.kind('Deployment').metadata.name,
    );
  });

  test('files are on the claim, caches are not, and the claim outlives the release', () => {
    const { volumeMounts } = container({}, 'core');
    expect(volumeMounts).toContainEqual({ name: 'files', mountPath: '/files' });
    const claim = renderChart().kind('PersistentVolumeClaim');
    expect(podOf(renderChart().kind('Deployment')).volumes).toContainEqual({
      name: 'files',
      persistentVolumeClaim: { claimName: claim.metadata.name },
    });
    expect(claim.metadata.annotations['helm.sh/resource-policy']).toBe('keep');
    const own = renderChart({ files: { persistence: { existingClaim: 'my-files' } } });
    expect(own.manifests.map(({ kind }) => kind)).not.toContain('PersistentVolumeClaim');
    expect(JSON.stringify(podOf(own.kind('Deployment')).volumes)).toContain('"claimName":"my-files"');
  });

  test('a change of the configuration starts new pods', () => {
    const sum = (values: Values) =>
      renderChart(values).kind('Deployment').spec.template.metadata.annotations['checksum/config'];
    expect(sum({})).toBe(sum({}));
    expect(sum({ config: { logLevel: 'debug' } })).not.toBe(sum({}));
    expect(sum({ files: { backend: 'plugin:some-storage' } })).not.toBe(sum({}));
  });

  test('migrations run before the pods of an upgrade, with the image of the core', () => {
    const job = renderChart().kind('Job');
    expect(job.metadata.annotations['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    expect(podOf(job).containers[0]).toMatchObject({
      image: container({}, 'core').image,
      command: ['bun', 'src/cli/main.ts', 'migrate'],
    });
  });

  test('a pod goes on serving until proxies know, then has the time to drain', () => {
    const pod = podOf(renderChart().kind('Deployment'));
    expect(container({}, 'core').lifecycle.preStop.exec.command).toEqual(['sleep', '5']);
    // SPEC 12.2: a stop takes up to 10 s.
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(5 + 10);
  });

  test('scraping asks with a token, since /metrics does not answer strangers', () => {
    const [endpoint] = renderChart(ALL_ON).kind('ServiceMonitor').spec.endpoints;
    expect(endpoint).toMatchObject({
      path: '/metrics',
      authorization: { credentials: { name: 'streamspace-metrics' } },
    });
  });

  test('private addresses and those of the cloud stay closed, but for what is named', () => {
    const { egress } = renderChart(ALL_ON).kind('NetworkPolicy').spec;
    const internet = egress.find(({ to }: Manifest) => to?.[0]?.ipBlock?.cidr === '0.0.0.0/0');
    expect(internet.to[0].ipBlock.except).toEqual(
      expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', '192.168.0.0/16']),
    );
    expect(internet.to[1].ipBlock.except).toContain('fc00::/7');
    expect(JSON.stringify(egress)).toContain('10.1.2.3/32');
  });
});

test('the README names every value', () => {
  const readme = readFileSync(join(CHART, 'README.md'), 'utf8');
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as { properties: object };
  const missing = Object.keys(schema.properties).filter((name) => name !== 'global' && !readme.includes(`\`${name}`));
  expect(missing).toEqual([]);
});
