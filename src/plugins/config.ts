import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { compileSchema, schemaError } from '../schema/check.ts';
import { guardSchema, type JsonSchema } from '../schema/guard.ts';
import { below } from '../schema/pointer.ts';
import { keepMasked, maskSensitive } from './config-mask.ts';
import { findSensitive, holdsSensitive, isOnPath, replaceSensitive } from './config-sensitive.ts';

export type PluginConfig = Record<string, unknown>;

/** Limits of a configuration: data, with the reason beside each number. */
const CONFIG_LIMITS = {
  /** Bytes as JSON: it is settings, not data. */
  bytes: 64 * 1024,
  /** Sensitive values, and characters of their names: what the secrets room can list. */
  secrets: 500,
  secretNameChars: 512,
} as const;

/** What a plugin's `configSchema` makes of configurations. No value is changed; answers may share parts with it. */
export interface ConfigRules {
  /** Whether there are sensitive fields at all. */
  readonly sensitive: boolean;
  /**
   * Checks a configuration and fills in the defaults. `partial` takes one that is not complete yet: nothing is required
   * and no default filled in.
   */
  validate(
    input: unknown,
    options?: { readonly partial?: boolean },
  ): {
    /** Only to be used when there are no issues. */
    readonly value: PluginConfig;
    readonly issues: readonly Issue[];
  };
  /** Takes the sensitive fields out; their names are dotted (`smtp.password`; `~1` for a dot in a name, `~0` for `~`). */
  splitSensitive(value: PluginConfig): { readonly plain: PluginConfig; readonly secrets: Record<string, string> };
  /** Puts secrets back where `splitSensitive` took them from; a secret whose place is gone is left out. */
  joinSensitive(plain: PluginConfig, secrets: Readonly<Record<string, string>>): PluginConfig;
  /** For API answers: each sensitive field that is set becomes `********`. */
  redact(value: PluginConfig): PluginConfig;
  /** For changes by an admin who saw `redact`: `********` in a sensitive field means what `stored` has there, or nothing. */
  keepRedacted(input: unknown, stored: PluginConfig): { readonly value: unknown; readonly issues: readonly Issue[] };
  /** Whether a value has a sensitive field that is set. */
  holdsSensitive(value: unknown): boolean;
}

/**
 * Compiles the `configSchema` of a manifest; without one, any object is a configuration. Equal schemas compile once.
 * @throws CodedError `manifest_invalid`; its `errors` have pointers into the manifest
 */
export function compileConfig(schema: unknown, pluginName: string): ConfigRules {
  const source = {
    code: 'manifest_invalid',
    what: `configSchema of "${pluginName}"`,
    pointer: '/configSchema',
  } as const;
  const whole = compileSchema(schema ?? {}, source);
  const guarded = guardSchema(schema ?? {}).schema;
  const { paths, issues } = findSensitive(guarded);
  if (issues.length > 0) throw schemaError(source, issues);
  if (!allowsObject(guarded)) throw schemaError(source, [{ pointer: '/type', message: 'must be "object"' }]);

  const secretsOf = (value: PluginConfig): Record<string, string> => {
    const secrets: [string, string][] = [];
    replaceSensitive(value, paths, (field, keys) => {
      if (isSecret(field)) secrets.push([toName(keys), field]);
      return field;
    });
    return Object.fromEntries(secrets);
  };

  /** What a sensitive field cannot be, whatever the schema allows: it would stand in the clear. */
  const formIssues = (value: PluginConfig): Issue[] => {
    const issues: Issue[] = [];
    replaceSensitive(value, paths, (field, keys) => {
      if (typeof field !== 'string' && field !== null) {
        issues.push({ pointer: keys.reduce(below, ''), message: 'must be text: the field is sensitive' });
      }
      return field;
    });
    return issues;
  };

  return {
    validate(input, { partial = false } = {}) {
      const refuse = (...issues: Issue[]) => ({ value: {}, issues });
      if (!isObject(input)) return refuse({ pointer: '', message: 'must be object' });
      const checked = partial
        ? { value: input, issues: compileSchema(withoutRequired(guarded), source).check(input) }
        : whole.fill(input);
      if (checked.issues.length > 0) return refuse(...checked.issues);
      const value = structuredClone(checked.value) as PluginConfig;
      const bytes = Buffer.byteLength(JSON.stringify(value));
      const large = bytes > CONFIG_LIMITS.bytes;
      if (large) return refuse({ pointer: '', message: `is ${bytes} bytes of JSON, more than ${CONFIG_LIMITS.bytes}` });
      const issues = [...textIssues(value, ''), ...formIssues(value), ...nameIssues(Object.keys(secretsOf(value)))];
      return { value, issues };
    },
    sensitive: paths.length > 0,
    splitSensitive: (value) => ({
      plain: replaceSensitive(value, paths, (field) => (isSecret(field) ? undefined : field)) as PluginConfig,
      secrets: secretsOf(value),
    }),
    joinSensitive(plain, secrets) {
      const joined = structuredClone(plain);
      for (const [name, secret] of Object.entries(secrets)) {
        const keys = fromName(name);
        const last = keys.at(-1);
        const parent = keys.slice(0, -1).reduce<unknown>(inside, joined);
        if (last !== undefined && isContainer(parent) && isOnPath(paths, keys)) parent[last] = secret;
      }
      return joined;
    },
    redact: (value) => maskSensitive(value, paths) as PluginConfig,
    keepRedacted: (input, stored) => keepMasked(input, stored, paths),
    holdsSensitive: (value) => holdsSensitive(value, paths),
  };
}

function isObject(value: unknown): value is PluginConfig {
  return isContainer(value) && !Array.isArray(value);
}

function isContainer(value: unknown): value is PluginConfig {
  return typeof value === 'object' && value !== null;
}

function isSecret(field: unknown): field is string {
  return typeof field === 'string' && field !== '';
}

function inside(value: unknown, key: string): unknown {
  return isContainer(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function toName(keys: readonly string[]): string {
  return keys.map((key) => key.replaceAll('~', '~0').replaceAll('.', '~1')).join('.');
}

function fromName(name: string): string[] {
  return name.split('.').map((key) => key.replaceAll('~1', '.').replaceAll('~0', '~'));
}

function allowsObject(schema: JsonSchema): boolean {
  return typeof schema === 'object' && (schema.type === undefined || schema.type === 'object');
}

/** The schema for a configuration that is not complete yet. */
function withoutRequired(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutRequired);
  if (!isContainer(node)) return node;
  const rest = Object.entries(node).filter(([key, value]) => !(key === 'required' && Array.isArray(value)));
  return Object.fromEntries(rest.map(([key, value]) => [key, withoutRequired(value)]));
}

/** What the database cannot keep. */
function textIssues(value: unknown, pointer: string): Issue[] {
  if (typeof value === 'string') {
    const fits = value.isWellFormed() && !value.includes('\0');
    return fits ? [] : [{ pointer, message: 'must not hold U+0000 or half a surrogate pair' }];
  }
  if (!isContainer(value)) return [];
  return Object.entries(value).flatMap(([key, part]) => [
    ...textIssues(key, pointer),
    ...textIssues(part, below(pointer, key)),
  ]);
}

function nameIssues(names: readonly string[]): Issue[] {
  const long = names.filter((name) => name.length > CONFIG_LIMITS.secretNameChars);
  if (long.length > 0)
    return [{ pointer: '', message: `the path of a sensitive field is longer than ${CONFIG_LIMITS.secretNameChars}` }];
  return names.length > CONFIG_LIMITS.secrets
    ? [{ pointer: '', message: `has more than ${CONFIG_LIMITS.secrets} sensitive values` }]
    : [];
}
