import { describe, expect, test } from 'bun:test';
import { ALL_ON, RWX } from '../kit/chart-values.ts';
import { stage } from '../kit/dockerfile.ts';
import { type Manifest, renderChart, type Values } from '../kit/helm/chart.ts';

// What each container must have, whatever the values: ADVERSARY 2, last paragraph.

const VARIANTS: readonly (readonly [name: string, values: Values])[] = [
  ['as it comes', {}],
  ['all on', ALL_ON],
  ['three replicas', { ...RWX, replicaCount: 3 }],
];
const SOCKET = '/run/streamspace/host/agent.sock';

/** By container: the account, the volumes, and the kinds of source of its environment. */
const TABLE: Readonly<Record<string, { uid: number; mounts: readonly string[]; secrets: boolean }>> = {
  core: { uid: 10_001, mounts: ['/data', '/files', '/run/streamspace', '/tmp'], secrets: true },
  'isolate-host': { uid: 10_002, mounts: ['/run/streamspace'], secrets: false },
  migrate: { uid: 10_001, mounts: ['/tmp'], secrets: true },
};

describe.each(VARIANTS)('%s', (_name, values) => {
  const { manifests } = renderChart(values);
  const pods: Manifest[] = manifests
    .filter(({ kind }) => ['Deployment', 'Job'].includes(kind))
    .map(({ spec }) => spec.template.spec);
  const containers: Manifest[] = pods.flatMap((pod) => [...(pod.initContainers ?? []), ...pod.containers]);

  test('there are the containers of the table, and no others', () => {
    expect(containers.map(({ name }) => name).sort()).toEqual(Object.keys(TABLE).sort());
  });

  test('no pod has a token, the network, processes or variables of others, or may be root', () => {
    for (const pod of pods) {
      expect(pod.automountServiceAccountToken).toBe(false);
      expect(pod.enableServiceLinks).toBe(false);
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const shared of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace']) {
        expect([shared, pod[shared] ?? false]).toEqual([shared, false]);
      }
      expect(JSON.stringify(pod.volumes)).not.toMatch(/hostPath|serviceAccountToken|"secret":/);
    }
    for (const account of manifests.filter(({ kind }) => kind === 'ServiceAccount')) {
      expect(account.automountServiceAccountToken).toBe(false);
    }
    expect(manifests.filter(({ kind }) => /Role/.test(kind))).toEqual([]);
  });

  test.each(Object.entries(TABLE))('%s', (name, { uid, mounts, secrets }) => {
    const one = containers.find((container) => container.name === name);
    expect(one.securityContext).toMatchObject({
      runAsUser: uid,
      runAsGroup: uid,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(one.securityContext.capabilities.add).toBeUndefined();
    expect(['RuntimeDefault', 'Localhost']).toContain(one.securityContext.seccompProfile.type);
    expect(one.volumeMounts.map(({ mountPath }: Manifest) => mountPath).sort()).toEqual([...mounts].sort());
    expect(one.resources.limits.memory).toBeString();
    expect(JSON.stringify(one.env ?? []).includes('secretKeyRef')).toBe(secrets);
  });

  test('the isolate host has no environment, no port and nothing that a plugin could write to', () => {
    const host = containers.find(({ name }) => name === 'isolate-host');
    for (const what of ['env', 'envFrom', 'ports', 'command', 'args', 'volumeDevices', 'lifecycle']) {
      expect([what, host[what]]).toEqual([what, undefined]);
    }
    expect(host.resources.limits.cpu).toBeString();
    expect(host.resources.limits['ephemeral-storage']).toBeString();
    const [pod] = pods.filter((one) => one.containers.includes(host));
    expect(pod.volumes.find(({ name }: Manifest) => name === 'run').emptyDir).toEqual({
      medium: 'Memory',
      sizeLimit: '8Mi',
    });
  });

  test('the three agree on the socket, and with the images on the accounts', () => {
    const { kind } = renderChart(values);
    const host = containers.find(({ name }) => name === 'isolate-host');
    expect(kind('ConfigMap').data.STREAMSPACE_ISOLATE_HOST).toBe(`unix:${SOCKET}`);
    expect(stage('isolate-host').of('CMD')).toEqual([JSON.stringify([SOCKET])]);
    for (const probe of [host.startupProbe, host.livenessProbe]) {
      const [program, ...entrypoint] = JSON.parse(stage('isolate-host').of('ENTRYPOINT')[0] ?? '');
      expect(probe.exec.command).toEqual([program, ...entrypoint, '--check', SOCKET]);
    }
    expect(stage('isolate-host').of('USER')).toEqual([
      `${host.securityContext.runAsUser}:${host.securityContext.runAsGroup}`,
    ]);
    const { securityContext } = containers.find(({ name }) => name === 'core');
    expect(stage('core').of('USER')).toEqual([`${securityContext.runAsUser}:${securityContext.runAsGroup}`]);
  });
});
