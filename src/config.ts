import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { delimiter, resolve } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import type { BackendName } from './files/backends.ts';
import type { AskedLimits } from './plugins/limits.ts';
import { limitsSchema } from './quotas/limits-schema.ts';
import { decodeKey } from './secrets/key-text.ts';
import { type TracingConfig, tracingConfig } from './telemetry/config.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What the environment says (SPEC 12.2), checked; frozen. */
export interface Config {
  /** TCP port; 0 lets the system pick one. */
  readonly port: number;
  readonly host: string;
  /** Absolute path. */
  readonly dataDir: string;
  /** A PostgreSQL to use; null means the embedded one. */
  readonly databaseUrl: string | null;
  /** Absolute paths of the folders that are watched for plugins, each once. */
  readonly pluginDirs: readonly string[];
  readonly adminEmail: string;
  /** Password of the first admin; null means that one is made up and printed once. */
  readonly adminPassword: string | null;
  /** The 32 bytes of STREAMSPACE_SECRET_KEY; null means that one is kept in the data folder. */
  readonly secretKey: Uint8Array | null;
  /** The key to change from, STREAMSPACE_SECRET_KEY_PREVIOUS; only with `secretKey`. */
  readonly secretKeyPrevious: Uint8Array | null;
  readonly logLevel: LogLevel;
  /** Where browsers reach the core, without a final slash. */
  readonly publicUrl: string | null;
  /** Origin (scheme, host, port) that serves what plugins bring to the browser. */
  readonly pluginOrigin: string | null;
  /** How many proxies in front are trusted with `X-Forwarded-*`. */
  readonly trustProxy: number;
  /** The operator's own ceilings of plugins' limits, by name as in a manifest. */
  readonly pluginCeilings: AskedLimits;
  /** Whether admins may look into plugins while they run: debug, profile, read their memory. */
  readonly inspector: boolean;
  /** Whether uploaded plugins run where the isolate host is not confined. */
  readonly allowUnconfined: boolean;
  /** Path of the socket of the agent that runs the isolate hosts in another container; null runs them as children. */
  readonly isolateHost: string | null;
  /** Milliseconds without use after which a plugin's isolate is let go; 0 is never. */
  readonly hibernateAfterMs: number;
  /** Isolates in memory beyond which idle ones are let go at once; null means by the machine's memory. */
  readonly maxIsolates: number | null;
  /** Absolute path of the folder of plugins' files on this disk; null means `files` in the data folder. */
  readonly filesDir: string | null;
  /** Where other cores and operators reach this one, as it is shown in the list of replicas; null when it is not said. */
  readonly replicaAddress: string | null;
  /** What keeps the contents of plugins' files that are written from now on. */
  readonly filesBackend: BackendName;
  /** Certificates (PEM) that plugins' connections trust besides the default ones. */
  readonly extraCa: readonly string[];
  /** Where traces go; null when they are off. */
  readonly tracing: TracingConfig | null;
}

/** A value of the environment that cannot be used; the message has one line a variable and never shows a secret. */
export class ConfigError extends Error {
  readonly variables: readonly string[];

  constructor(problems: ReadonlyMap<string, string>) {
    super([...problems].map(([variable, problem]) => `${variable}: ${problem}`).join('\n'));
    this.name = 'ConfigError';
    this.variables = [...problems.keys()];
  }
}

const MIN_PASSWORD_LENGTH = 8;
const HOSTNAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/i;
const EMAIL = /^[^\s@<>",;:\\()[\]]+@[^\s@<>",;:\\()[\]]+$/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The reason why a value is refused: what is wrong, and what is accepted. */
class Refusal extends Error {}
const shown = (value: string) => JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
const refuse = (what: string, accepted: string): never => {
  throw new Refusal(`${what}; accepted: ${accepted}`);
};

/**
 * Reads the configuration from environment variables. An empty value counts as not set.
 *
 * @throws ConfigError that names each variable that is wrong, and what it accepts
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems = new Map<string, string>();
  const read = <T>(variable: string, parse: (value: string) => T, unset: T): T => {
    const value = env[variable];
    if (value === undefined || value === '') return unset;
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      problems.set(variable, error.message);
      return unset;
    }
  };

  const config: Config = {
    port: read('PORT', (value) => integer(value, 0, 65_535, 'a port number, 0 to 65535 (0 picks a free one)'), 3000),
    host: read('HOST', host, '127.0.0.1'),
    dataDir: read('DATA_DIR', folder, resolve('.data')),
    databaseUrl: read<string | null>('DATABASE_URL', databaseUrl, null),
    pluginDirs: read<readonly string[]>('PLUGIN_DIRS', folders, Object.freeze([])),
    adminEmail: read('STREAMSPACE_ADMIN_EMAIL', email, 'admin@localhost'),
    adminPassword: read<string | null>('STREAMSPACE_ADMIN_PASSWORD', password, null),
    secretKey: read<Uint8Array | null>('STREAMSPACE_SECRET_KEY', secretKey, null),
    secretKeyPrevious: read<Uint8Array | null>('STREAMSPACE_SECRET_KEY_PREVIOUS', secretKey, null),
    logLevel: read<LogLevel>('LOG_LEVEL', logLevel, 'info'),
    publicUrl: read<string | null>('PUBLIC_URL', publicUrl, null),
    pluginOrigin: read<string | null>('PLUGIN_ORIGIN', origin, null),
    trustProxy: read('TRUST_PROXY', trustProxy, 0),
    pluginCeilings: read<AskedLimits>('STREAMSPACE_PLUGIN_CEILINGS', pluginCeilings, Object.freeze({})),
    inspector: read('STREAMSPACE_INSPECTOR', onOrOff, true),
    allowUnconfined: read('STREAMSPACE_ALLOW_UNCONFINED', yesOrNo, false),
    isolateHost: read<string | null>('STREAMSPACE_ISOLATE_HOST', isolateHost, null),
    hibernateAfterMs: read(
      'HIBERNATE_AFTER_MS',
      (value) => integer(value, 0, 604_800_000, 'milliseconds, 0 (never) to 604800000 (a week)'),
      900_000,
    ),
    maxIsolates: read<number | null>(
      'MAX_ISOLATES',
      (value) => integer(value, 1, 10_000, 'a number of isolates, 1 to 10000'),
      null,
    ),
    filesDir: read<string | null>('STREAMSPACE_FILES_DIR', folder, null),
    replicaAddress: read<string | null>('STREAMSPACE_REPLICA_ADDRESS', replicaAddress, null),
    filesBackend: read<BackendName>('STREAMSPACE_FILES_BACKEND', filesBackend, 'local'),
    extraCa: read<readonly string[]>('STREAMSPACE_EXTRA_CA', certificates, Object.freeze([])),
    tracing: tracingConfig(env, read, refuse),
  };
  const problem = previousKeyProblem(config);
  if (problem !== null && !problems.has('STREAMSPACE_SECRET_KEY')) {
    problems.set('STREAMSPACE_SECRET_KEY_PREVIOUS', problem);
  }
  if (problems.size > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function integer(value: string, min: number, max: number, accepted: string): number {
  const number = /^\d{1,9}$/.test(value.trim()) ? Number(value) : Number.NaN;
  return number >= min && number <= max ? number : refuse(`${shown(value)} is out of range or no number`, accepted);
}

function host(value: string): string {
  const name = value.trim();
  const looksNumeric = /^[\d.]+$/.test(name);
  if (isIP(name) !== 0 || (HOSTNAME.test(name) && name.length <= 253 && !looksNumeric)) return name;
  return refuse(
    `${shown(value)} is no address`,
    'an IP address or a host name, such as 127.0.0.1, 0.0.0.0, :: or localhost',
  );
}

function folder(value: string): string {
  return value.includes('\0') ? refuse('it holds a NUL character', 'the path of a folder') : resolve(value);
}

function folders(value: string): readonly string[] {
  const separators = new Set([delimiter, ',']);
  const parts: string[] = [''];
  for (const char of value) {
    if (separators.has(char)) parts.push('');
    else parts.push(`${parts.pop()}${char}`);
  }
  const paths = parts.map((part) => part.trim()).filter((part) => part !== '');
  return Object.freeze([...new Set(paths.map(folder))]);
}

function databaseUrl(value: string): string {
  // The value itself is never shown: it holds a password.
  const accepted = 'postgres://user:password@host:port/database';
  const url = URL.canParse(value) ? new URL(value) : refuse('it is no URL', accepted);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    return refuse(`the scheme ${shown(url.protocol)} is not PostgreSQL`, accepted);
  }
  return value;
}

function email(value: string): string {
  const address = value.trim();
  if (EMAIL.test(address) && address.length <= 254) return address;
  return refuse(`${shown(value)} is no email address`, 'an address such as admin@example.com');
}

function password(value: string): string {
  const { length } = value;
  if (length >= MIN_PASSWORD_LENGTH && length <= 1024) return value;
  return refuse(`it has ${length} characters`, `${MIN_PASSWORD_LENGTH} to 1024 characters`);
}

function secretKey(value: string): Uint8Array {
  const key = decodeKey(value);
  return typeof key === 'string' ? refuse(key, '32 bytes in base64, such as `openssl rand -base64 32` gives') : key;
}

function previousKeyProblem({ secretKey: key, secretKeyPrevious: previous }: Config): string | null {
  if (previous === null) return null;
  if (key === null)
    return 'there is no STREAMSPACE_SECRET_KEY to change to; accepted: the key of before, beside the new one';
  const same = Buffer.compare(key, previous) === 0;
  return same ? 'it is the same key as STREAMSPACE_SECRET_KEY; accepted: the key of before' : null;
}

function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === value.trim().toLowerCase());
  return level ?? refuse(`${shown(value)} is no level`, LOG_LEVELS.join(', '));
}

function httpUrl(value: string, accepted: string): URL {
  const url = URL.canParse(value) ? new URL(value) : refuse(`${shown(value)} is no URL`, accepted);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refuse(`the scheme ${shown(url.protocol)} is neither http nor https`, accepted);
  }
  if (url.username !== '' || url.password !== '') return refuse('it holds a user name or password', accepted);
  if (url.search !== '' || url.hash !== '') return refuse(`${shown(value)} has a query or fragment`, accepted);
  return url;
}

function publicUrl(value: string): string {
  return httpUrl(value, 'an http(s) URL such as https://streamspace.example.com').href.replace(/\/+$/, '');
}

function origin(value: string): string {
  const accepted = 'an origin such as https://plugins.example.com, without a path';
  const url = httpUrl(value, accepted);
  return url.pathname === '/' ? url.origin : refuse(`${shown(value)} has a path`, accepted);
}

function pluginCeilings(value: string): AskedLimits {
  const accepted = 'JSON such as {"memoryMb": 256, "hostCallsPerMinute": {"fetch": 600}}';
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return refuse('it is no JSON', accepted);
  }
  const issue = Value.Errors(limitsSchema, parsed).First();
  if (issue !== undefined) return refuse(`${issue.path || 'it'}: ${issue.message.toLowerCase()}`, accepted);
  return Object.freeze(parsed as Record<string, unknown>);
}

function certificates(value: string): readonly string[] {
  const accepted = 'the path of a file with certificates in PEM';
  let text: string;
  try {
    text = readFileSync(folder(value), 'utf8');
  } catch (error) {
    return refuse(`${shown(value)} cannot be read (${(error as NodeJS.ErrnoException).code})`, accepted);
  }
  const found = text.match(PEM_CERTIFICATE) ?? [];
  if (found.length === 0) return refuse(`${shown(value)} holds no certificate`, accepted);
  for (const certificate of found) {
    try {
      new X509Certificate(certificate);
    } catch {
      return refuse(`${shown(value)} holds a certificate that is not valid`, accepted);
    }
  }
  return Object.freeze(found);
}

function trustProxy(value: string): number {
  const text = value.trim().toLowerCase();
  if (text === 'true') return 1;
  if (text === 'false') return 0;
  return integer(text, 0, 16, 'true (one proxy), false, or the number of proxies, 0 to 16');
}

function replicaAddress(value: string): string {
  const address = value.trim();
  if (/^[\x21-\x7e]{1,253}$/.test(address)) return address;
  return refuse(`${shown(value)} is no address`, 'a host name or address, with a port or not, up to 253 characters');
}

function filesBackend(value: string): BackendName {
  const name = value.trim();
  if (name === 'local' || /^plugin:[a-z][a-z0-9-]{2,62}$/.test(name)) return name as BackendName;
  return refuse(`${shown(value)} is no backend`, 'local, or plugin:<name of a plugin>');
}

function isolateHost(value: string): string {
  const [, path = ''] = /^unix:(\/[^\0]+)$/.exec(value.trim()) ?? [];
  // What a socket's address holds (sun_path in <linux/un.h>), and a final NUL.
  if (path !== '' && Buffer.byteLength(path) < 108) return path;
  const accepted = 'unix:/absolute/path/of/the/socket of the agent, at most 107 bytes';
  return refuse(`${shown(value)} is no address of an agent`, accepted);
}

function onOrOff(value: string): boolean {
  const text = value.trim().toLowerCase();
  return text === 'on' || (text !== 'off' && refuse(`${shown(value)} is neither on nor off`, 'on, off'));
}

function yesOrNo(value: string): boolean {
  const text = value.trim().toLowerCase();
  if (['1', 'true', 'yes'].includes(text)) return true;
  if (['0', 'false', 'no'].includes(text)) return false;
  return refuse(`${shown(value)} is neither yes nor no`, '1, true or yes; 0, false or no');
}
