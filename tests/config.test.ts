import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, loadConfig, loadSecretKey } from '../src/config.ts';
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
      logLevel: 'info',
      publicUrl: null,
      pluginOrigin: null,
      trustProxy: 0,
      inspector: true,
      allowUnconfined: false,
      pluginCeilings: {},
      hibernateAfterMs: 900_000,
      maxIsolates: null,
      extraCa: [],
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.pluginDirs)).toBe(true);
  });

  test('takes an empty value as not set', () => {
    const names = ['PORT', 'HOST', 'DATA_DIR', 'DATABASE_URL', 'PLUGIN_DIRS', 'STREAMSPACE_ADMIN_EMAIL', 'LOG_LEVEL'];
    names.push('STREAMSPACE_ADMIN_PASSWORD', 'STREAMSPACE_SECRET_KEY', 'PUBLIC_URL', 'PLUGIN_ORIGIN', 'TRUST_PROXY');
    names.push('HIBERNATE_AFTER_MS', 'MAX_ISOLATES', 'STREAMSPACE_EXTRA_CA');
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
      STREAMSPACE_PLUGIN_CEILINGS: '{"memoryMb": 128, "hostCallsPerMinute": {"fetch": 60}}',
      HIBERNATE_AFTER_MS: '0',
      MAX_ISOLATES: '64',
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
      logLevel: 'debug',
      publicUrl: 'https://example.com/base',
      pluginOrigin: 'https://plugins.example.com:8443',
      trustProxy: 1,
      inspector: false,
      allowUnconfined: true,
      pluginCeilings: { memoryMb: 128, hostCallsPerMinute: { fetch: 60 } },
      hibernateAfterMs: 0,
      maxIsolates: 64,
      extraCa: [own.cert.trim(), own.cert.trim()],
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

describe('loadSecretKey', () => {
  const folder = (name: string) => ({ dataDir: join(root, name), secretKey: null });

  test('takes the key of the environment, and writes nothing', () => {
    const config = loadConfig({ STREAMSPACE_SECRET_KEY: KEY, DATA_DIR: join(root, 'env') });
    expect(Buffer.from(loadSecretKey(config)).toString('base64')).toBe(KEY);
    expect(() => readdirSync(join(root, 'env'))).toThrow();
  });

  test('makes one key, which only the owner may read, and keeps it', () => {
    const config = folder('made');
    const key = loadSecretKey(config);
    expect(key).toHaveLength(32);
    expect(loadSecretKey(config)).toEqual(key);
    expect(loadSecretKey(folder('other'))).not.toEqual(key);
    expect(readdirSync(config.dataDir)).toEqual(['secret.key']);
    expect(statSync(join(config.dataDir, 'secret.key')).mode & 0o777).toBe(0o600);
  });

  test('gives processes that race for it the same key', async () => {
    const config = folder('race');
    const script = `import { loadSecretKey } from '${resolve(import.meta.dir, '../src/config.ts')}';
      console.log(Buffer.from(loadSecretKey(${JSON.stringify(config)})).toString('hex'));`;
    const racers = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' }));
    const keys = await Promise.all(racers.map((racer) => new Response(racer.stdout).text()));
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]?.trim()).toHaveLength(64);
    expect(readdirSync(config.dataDir)).toEqual(['secret.key']);
  });

  test('refuses a file that others may read, and one that is no key', () => {
    const config = folder('bad');
    const path = join(config.dataDir, 'secret.key');
    mkdirSync(config.dataDir);
    writeFileSync(path, `${KEY}\n`);
    chmodSync(path, 0o640);
    expect(() => loadSecretKey(config)).toThrow(/DATA_DIR: .*chmod 600/);
    chmodSync(path, 0o600);
    expect(Buffer.from(loadSecretKey(config)).toString('base64')).toBe(KEY);
    writeFileSync(path, 'hunter22\n');
    expect(() => loadSecretKey(config)).toThrow(/DATA_DIR: .*secret\.key.*32 bytes/);
    expect(readFileSync(path, 'utf8')).toBe('hunter22\n');
  });
});
