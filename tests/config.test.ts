import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, loadConfig } from '../src/config.ts';
import { testCertificate } from './kit/certificate.ts';

const root = mkdtempSync(join(tmpdir(), 'streamspace-config-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const KEY = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');

function refusal(env: Record<string, string>): ConfigError {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('loadConfig', () => {
  test('has a default for everything, and is frozen', () => {
    const config = loadConfig({});
    expect(config).toEqual({
      port: 3000,
      host: '127.0.0.1',
      dataDir: resolve('.data'),
      databaseUrl: null,
      pluginDirs: [],
      adminEmail: 'admin@localhost',
      adminPassword: null,
      secretKey: null,
      secretKeyPrevious: null,
      logLevel: 'info',
      publicUrl: null,
      pluginOrigin: null,
      trustProxy: 0,
      inspector: true,
      allowUnconfined: false,
      isolateHost: null,
      pluginCeilings: {},
      hibernateAfterMs: 900_000,
      maxIsolates: null,
      filesDir: null,
      replicaAddress: null,
      filesBackend: 'local',
      extraCa: [],
      tracing: null,
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.pluginDirs)).toBe(true);
  });

  test('takes an empty value as not set', () => {
    const names = ['PORT', 'HOST', 'DATA_DIR', 'DATABASE_URL', 'PLUGIN_DIRS', 'STREAMSPACE_ADMIN_EMAIL', 'LOG_LEVEL'];
    names.push('STREAMSPACE_ADMIN_PASSWORD', 'STREAMSPACE_SECRET_KEY', 'PUBLIC_URL', 'PLUGIN_ORIGIN', 'TRUST_PROXY');
    names.push('HIBERNATE_AFTER_MS', 'MAX_ISOLATES', 'STREAMSPACE_EXTRA_CA', 'STREAMSPACE_FILES_BACKEND');
    expect(loadConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(loadConfig({}));
  });

  test('reads every variable', async () => {
    const own = await testCertificate(['mail.internal']);
    writeFileSync(join(root, 'ca.pem'), `# our CAs\n${own.cert}\n\n${own.cert}\n`);
    const config = loadConfig({
      PORT: '0',
      HOST: '::',
      DATA_DIR: 'var/data',
      DATABASE_URL: 'postgres://u:p@db:5432/streamspace',
      PLUGIN_DIRS: 'a:/b, c,:a',
      STREAMSPACE_ADMIN_EMAIL: 'root@example.com',
      STREAMSPACE_ADMIN_PASSWORD: 'correct horse',
      STREAMSPACE_SECRET_KEY: KEY,
      LOG_LEVEL: 'DEBUG',
      PUBLIC_URL: 'https://example.com/base/',
      PLUGIN_ORIGIN: 'https://plugins.example.com:8443/',
      TRUST_PROXY: 'true',
      STREAMSPACE_INSPECTOR: 'off',
      STREAMSPACE_ALLOW_UNCONFINED: '1',
      STREAMSPACE_ISOLATE_HOST: 'unix:/run/streamspace/host/agent.sock',
      STREAMSPACE_PLUGIN_CEILINGS: '{"memoryMb": 128, "hostCallsPerMinute": {"fetch": 60}}',
      HIBERNATE_AFTER_MS: '0',
      MAX_ISOLATES: '64',
      STREAMSPACE_FILES_BACKEND: 'plugin:streamspace-storage-s3',
      STREAMSPACE_EXTRA_CA: join(root, 'ca.pem'),
    });
    expect(config).toEqual({
      port: 0,
      host: '::',
      dataDir: resolve('var/data'),
      databaseUrl: 'postgres://u:p@db:5432/streamspace',
      pluginDirs: [resolve('a'), '/b', resolve('c')],
      adminEmail: 'root@example.com',
      adminPassword: 'correct horse',
      secretKey: new Uint8Array(Buffer.from(KEY, 'base64')),
      secretKeyPrevious: null,
      logLevel: 'debug',
      publicUrl: 'https://example.com/base',
      pluginOrigin: 'https://plugins.example.com:8443',
      trustProxy: 1,
      inspector: false,
      allowUnconfined: true,
      isolateHost: '/run/streamspace/host/agent.sock',
      pluginCeilings: { memoryMb: 128, hostCallsPerMinute: { fetch: 60 } },
      hibernateAfterMs: 0,
      maxIsolates: 64,
      filesDir: null,
      replicaAddress: null,
      filesBackend: 'plugin:streamspace-storage-s3',
      extraCa: [own.cert.trim(), own.cert.trim()],
      tracing: null,
    });
  });

  test.each([
    ['2', 2],
    ['0', 0],
    ['false', 0],
  ])('TRUST_PROXY=%s trusts %d proxies', (value, hops) => {
    expect(loadConfig({ TRUST_PROXY: value }).trustProxy).toBe(hops);
  });

  test.each([
    ['STREAMSPACE_FILES_BACKEND', 'plugin:..', 'plugin:<name'],
    ['PORT', '65536', '65535'],
    ['PORT', '-1', '65535'],
    ['PORT', '3000.5', '65535'],
    ['PORT', '0x10', '65535'],
    ['PORT', 'http', '65535'],
    ['HOST', 'http://localhost', 'IP address'],
    ['HOST', '300.1.1.1', 'IP address'],
    ['DATABASE_URL', 'mysql://u:hunter22@db/x', 'postgres://'],
    ['DATABASE_URL', 'hunter22', 'postgres://'],
    ['STREAMSPACE_ADMIN_EMAIL', 'admin', 'admin@example.com'],
    ['STREAMSPACE_ADMIN_PASSWORD', 'short', '8 to 1024'],
    ['STREAMSPACE_SECRET_KEY', 'not base64!', '32 bytes'],
    ['STREAMSPACE_SECRET_KEY', 'c2hvcnQ=', '32 bytes'],
    ['LOG_LEVEL', 'loud', 'warn'],
    ['PUBLIC_URL', 'example.com', 'http(s)'],
    ['PUBLIC_URL', 'ftp://example.com', 'http(s)'],
    ['PUBLIC_URL', 'https://user:hunter22@example.com', 'http(s)'],
    ['PUBLIC_URL', 'https://example.com/?a=1', 'http(s)'],
    ['PLUGIN_ORIGIN', 'https://example.com/path', 'origin'],
    ['TRUST_PROXY', 'yes', 'true'],
    ['STREAMSPACE_PLUGIN_CEILINGS', '{', 'JSON'],
    ['STREAMSPACE_PLUGIN_CEILINGS', '{"memory": 5}', 'memoryMb'],
    ['STREAMSPACE_PLUGIN_CEILINGS', '{"memoryMb": 1}', 'memoryMb'],
    ['TRUST_PROXY', '17', 'true'],
    ['HIBERNATE_AFTER_MS', '15m', 'milliseconds'],
    ['HIBERNATE_AFTER_MS', '-1', 'milliseconds'],
    ['MAX_ISOLATES', '0', '1 to 10000'],
    ['MAX_ISOLATES', 'many', '1 to 10000'],
    ['STREAMSPACE_ISOLATE_HOST', 'unix:run/agent.sock', 'unix:/absolute'],
    ['STREAMSPACE_ISOLATE_HOST', 'tcp://host:1', 'unix:/absolute'],
    ['STREAMSPACE_ISOLATE_HOST', `unix:/${'a'.repeat(107)}`, '107 bytes'],
    ['STREAMSPACE_EXTRA_CA', '/no/such/file.pem', 'PEM'],
    ['STREAMSPACE_EXTRA_CA', import.meta.path, 'PEM'],
  ])('refuses %s=%s, names it and what it accepts', (variable, value, accepted) => {
    const error = refusal({ [variable]: value });
    expect(error.variables).toEqual([variable]);
    expect(error.message).toStartWith(`${variable}: `);
    expect(error.message.split('accepted: ')[1]).toContain(accepted);
  });

  test('shows no secret in an error', () => {
    const { message } = refusal({
      DATABASE_URL: 'mysql://u:hunter22@db/x',
      STREAMSPACE_ADMIN_PASSWORD: 'hunter2',
      STREAMSPACE_SECRET_KEY: 'hunter22',
      PUBLIC_URL: 'https://user:hunter22@example.com',
    });
    expect(message).not.toContain('hunter2');
  });

  test('names all that is wrong at once', () => {
    expect(refusal({ PORT: 'x', LOG_LEVEL: 'y', HOST: '::1' }).variables).toEqual(['PORT', 'LOG_LEVEL']);
  });
});

describe('STREAMSPACE_SECRET_KEY_PREVIOUS', () => {
  const OTHER = Buffer.alloc(32, 9).toString('base64');

  test('is the key of before, beside the new one', () => {
    const config = loadConfig({ STREAMSPACE_SECRET_KEY: KEY, STREAMSPACE_SECRET_KEY_PREVIOUS: OTHER });
    expect(config.secretKeyPrevious).toEqual(new Uint8Array(32).fill(9));
  });

  test.each([
    ['alone', { STREAMSPACE_SECRET_KEY_PREVIOUS: OTHER }, 'there is no STREAMSPACE_SECRET_KEY to change to'],
    [
      'the same key twice',
      { STREAMSPACE_SECRET_KEY: KEY, STREAMSPACE_SECRET_KEY_PREVIOUS: `${KEY} ` },
      'it is the same key as STREAMSPACE_SECRET_KEY',
    ],
    ['no key', { STREAMSPACE_SECRET_KEY: KEY, STREAMSPACE_SECRET_KEY_PREVIOUS: 'hunter22' }, '32 bytes in base64'],
  ])('%s is refused', (_, env, message) => {
    const error = refusal(env);
    expect(error.variables).toEqual(['STREAMSPACE_SECRET_KEY_PREVIOUS']);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('hunter22');
  });
});
