import { join } from 'node:path';
import { ROOT } from './dockerfile.ts';
import type { Manifest } from './helm/chart.ts';

// Checks manifests against the OpenAPI schemas of Kubernetes and of the Prometheus operator, as the packages
// kubernetes-models and @kubernetes-models/prometheus-operator carry them: compiled by Ajv.

interface Validate {
  (data: unknown): boolean;
  readonly errors?:
    | readonly { readonly instancePath: string; readonly keyword: string; readonly params: object }[]
    | null;
}

const SCHEMAS: Readonly<Record<string, string>> = {
  'v1/ConfigMap': 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap',
  'v1/PersistentVolumeClaim': 'kubernetes-models/_schemas/IoK8sApiCoreV1PersistentVolumeClaim',
  'v1/Service': 'kubernetes-models/_schemas/IoK8sApiCoreV1Service',
  'v1/ServiceAccount': 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount',
  'apps/v1/Deployment': 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment',
  'batch/v1/Job': 'kubernetes-models/_schemas/IoK8sApiBatchV1Job',
  'autoscaling/v2/HorizontalPodAutoscaler': 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler',
  'networking.k8s.io/v1/Ingress': 'kubernetes-models/_schemas/IoK8sApiNetworkingV1Ingress',
  'networking.k8s.io/v1/NetworkPolicy': 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy',
  'policy/v1/PodDisruptionBudget': 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget',
  'monitoring.coreos.com/v1/ServiceMonitor':
    '@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1ServiceMonitor',
};

/** What is wrong with a manifest by its schema, fields that the schema does not have included; empty when nothing is. */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const kind = `${manifest.apiVersion}/${manifest.kind}`;
  const path = SCHEMAS[kind];
  if (path === undefined) return [`there is no schema for ${kind}`];
  const { validate } = (await import(join(ROOT, 'node_modules', `${path}.js`))) as { validate: Validate };
  const unread = new Set<string>();
  note(manifest, '', unread);
  validate(watched(manifest, '', unread));
  const errors = (validate.errors ?? []).map(
    ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
  );
  // A compiled schema reads each property that it has: what it never looked at, it does not know.
  return [...errors, ...[...unread].map((field) => `${field}: unknown field`)];
}

function note(value: unknown, path: string, unread: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (!Array.isArray(value)) unread.add(`${path}/${key}`);
    note(child, `${path}/${key}`, unread);
  }
}

function watched(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const child: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return child;
      unread.delete(`${path}/${key}`);
      return watched(child, `${path}/${key}`, unread);
    },
  });
}
