import type { Values } from './helm/chart.ts';

/** Everything that can be on is on, and every list has something in it. */
export const ALL_ON: Values = {
  replicaCount: 3,
  image: { repository: 'registry.example.com/streamspace', tag: '1.2.3', pullPolicy: 'Always' },
  imagePullSecrets: [{ name: 'registry' }],
  config: {
    publicUrl: 'https://streamspace.example.com',
    pluginOrigin: 'https://plugins.example.com',
    otlpEndpoint: 'http://collector.observability:4318',
    pluginCeilings: '{"memoryMb": 256}',
  },
  extraEnv: [{ name: 'STREAMSPACE_EXTRA_CA', value: '/etc/ssl/own.pem' }],
  files: { persistence: { accessMode: 'ReadWriteMany', storageClass: 'nfs', size: '1Ti' } },
  isolateHost: { localhostSeccompProfile: 'profiles/isolate-host.json' },
  service: { type: 'LoadBalancer', port: 8080, annotations: { 'example.com/balancer': 'internal' } },
  ingress: {
    enabled: true,
    className: 'nginx',
    annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '1g' },
    hosts: [{ host: 'streamspace.example.com' }, { host: 'other.example.com' }],
    tls: [{ secretName: 'streamspace-tls', hosts: ['streamspace.example.com'] }],
  },
  autoscaling: { enabled: true },
  networkPolicy: {
    ingress: { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }] },
    egress: {
      postgres: { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }] },
      extra: [{ to: [{ ipBlock: { cidr: '10.4.0.0/16' } }], ports: [{ port: 9000, protocol: 'TCP' }] }],
    },
  },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, tokenSecret: { name: 'streamspace-metrics' } },
  serviceAccount: { annotations: { 'example.com/owner': 'platform' } },
  hostUsers: false,
  runtimeClassName: 'kata',
  priorityClassName: 'high',
  podAnnotations: { 'example.com/note': 'yes' },
  podLabels: { team: 'platform' },
  nodeSelector: { 'kubernetes.io/arch': 'amd64' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'plugins', effect: 'NoSchedule' }],
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } } },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
  ],
};

export const RWX: Values = { files: { persistence: { accessMode: 'ReadWriteMany' } } };
