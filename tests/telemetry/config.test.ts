import { describe, expect, test } from 'bun:test';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { keySource } from '../../src/secrets/key-source.ts';
import { ownSecrets } from '../../src/secrets/own-secrets.ts';
import { mayTell } from '../../src/telemetry/config.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

function refused(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.variables;
    throw error;
  }
  return [];
}

describe('the OTEL_* variables', () => {
  test('without an endpoint, and when they say so, nothing is traced', () => {
    expect(loadConfig({ OTEL_SERVICE_NAME: 'x' }).tracing).toBeNull();
    expect(loadConfig({ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }).tracing).toBeNull();
    expect(loadConfig({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }).tracing).toBeNull();
  });

  test('an endpoint is enough', () => {
    expect(loadConfig(ENDPOINT).tracing).toEqual({
      url: 'http://collector:4318/v1/traces',
      headers: {},
      timeoutMs: 10_000,
      delayMs: 5_000,
      serviceName: 'streamspace',
      resource: {},
      sampler: 'parentbased_always_on',
      ratio: 1,
      outgoing: ['*'],
    });
  });

  test('what is said of traces alone goes before what is said of all signals', () => {
    const { tracing } = loadConfig({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/otlp',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-all=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'authorization=Basic%20dXNlcjpwYXNz, x-team=core',
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=ignored,deployment.environment.name=test%2C1',
      OTEL_SERVICE_NAME: 'space',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      STREAMSPACE_TRACE_OUT: 'api.example.com, *.internal',
    });
    expect(tracing).toMatchObject({
      url: 'https://traces.example.com/otlp',
      headers: { authorization: 'Basic dXNlcjpwYXNz', 'x-team': 'core' },
      timeoutMs: 2_000,
      serviceName: 'space',
      resource: { 'deployment.environment.name': 'test,1' },
      sampler: 'parentbased_traceidratio',
      ratio: 0.25,
      outgoing: ['api.example.com', '*.internal'],
    });
  });

  test.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'no equals sign'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_BSP_SCHEDULE_DELAY', '0'],
    ['STREAMSPACE_TRACE_OUT', 'https://example.com'],
  ])('%s=%s is refused', (variable, value) => {
    expect(refused({ ...ENDPOINT, [variable]: value })).toEqual([variable]);
  });

  test('the values of headers are secrets of the core', () => {
    const config = loadConfig({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a-token-of-a-vendor' });
    expect(ownSecrets(config, keySource({ ...config, secretKey: new Uint8Array(32) }))).toContain(
      'a-token-of-a-vendor',
    );
  });
});

test.each([
  [['*'], 'example.com', true],
  [[], 'example.com', false],
  [['example.com'], 'example.com', true],
  [['example.com'], 'evil-example.com', false],
  [['*.example.com'], 'api.example.com', true],
  [['*.example.com'], 'example.com', false],
  [['*.example.com'], 'notexample.com', false],
])('of %j, %s is told: %p', (outgoing, host, told) => {
  expect(mayTell(outgoing, host)).toBe(told);
});
