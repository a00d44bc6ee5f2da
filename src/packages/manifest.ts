import { CodedError, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { compileConfig } from '../plugins/config.ts';
import { type JsonSchema, normaliseConfigSchema } from './config-schema.ts';
import { manifestInvalid, readManifestJson } from './json.ts';
import { schemaIssues } from './manifest-issues.ts';
import { defaultEntry, ruleIssues, withoutDot } from './manifest-rules.ts';
import { manifestSchema, type RawManifest } from './manifest-schema.ts';
import { normalisePermission, PLATFORM_PERMISSIONS } from './permissions.ts';
import type { PackageFiles } from './read.ts';

type Filled =
  | 'displayName'
  | 'description'
  | 'type'
  | 'tags'
  | 'screenshots'
  | 'defaultConfig'
  | 'permissions'
  | 'optionalPermissions'
  | 'dependencies'
  | 'optionalDependencies'
  | 'overrides'
  | 'events'
  | 'jobs'
  | 'limits';

/** The declared facts of a plugin: defaults filled in, one spelling of everything. It is a valid manifest itself. */
export interface Manifest
  extends Readonly<Omit<RawManifest, Filled | '$schema' | 'entrypoints' | 'configSchema'>>,
    Readonly<Required<Pick<RawManifest, Filled>>> {
  readonly entrypoints: { readonly main: string; readonly ui?: string };
  readonly configSchema: JsonSchema;
}

export interface ManifestOptions {
  /** Regular expression sources (not anchored) of the permissions that the rooms know. */
  readonly permissionPatterns: readonly string[];
}

/**
 * Reads and checks a package's manifest.json (SPEC 1.1).
 * @throws CodedError `manifest_invalid`; `errors` lists every problem with its JSON pointer (RFC 6901)
 */
export function parseManifest(pkg: PackageFiles, options: ManifestOptions): Manifest {
  const value = readManifestJson(pkg.files.get('manifest.json'));
  const issues = schemaIssues(value);
  const configSchema = collectConfigSchema(value, issues);
  // The rules read typed fields: they wait until the shape is right.
  if (issues.length === 0) issues.push(...ruleIssues(value as RawManifest, pkg, options.permissionPatterns));
  if (issues.length === 0 && configSchema !== null) issues.push(...configIssues(value as RawManifest, configSchema));
  if (issues.length > 0 || configSchema === null) throw manifestInvalid(issues);
  return normalise(value as RawManifest, configSchema, pkg);
}

function collectConfigSchema(value: unknown, issues: Issue[]): JsonSchema | null {
  if (typeof value !== 'object' || value === null) return null;
  try {
    return normaliseConfigSchema('configSchema' in value ? value.configSchema : undefined);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const known = new Set(issues.map((issue) => issue.pointer));
    issues.push(...(error.extra.errors as Issue[]).filter((issue) => !known.has(issue.pointer)));
    return null;
  }
}

/** What the configuration cannot be checked by, or could not keep secret: known before anybody enters a secret. */
function configIssues({ name, defaultConfig }: RawManifest, configSchema: JsonSchema): Issue[] {
  try {
    const rules = compileConfig(configSchema, name);
    if (!rules.holdsSensitive(defaultConfig)) return [];
    const message = 'a sensitive field has no value here: whoever has the package can read it';
    return [{ pointer: '/defaultConfig', message }];
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return error.extra.errors as Issue[];
  }
}

function normalise(raw: RawManifest, configSchema: JsonSchema, pkg: PackageFiles): Manifest {
  const { $schema: _, entrypoints, ...facts } = raw;
  const main = withoutDot(entrypoints?.main ?? defaultEntry(pkg) ?? '');
  const permissions = unique(raw.permissions?.map(normalisePermission));
  return {
    ...facts,
    displayName: raw.displayName ?? raw.name,
    description: raw.description ?? '',
    type: raw.type ?? 'extension',
    tags: raw.tags ?? [],
    screenshots: raw.screenshots ?? [],
    entrypoints: entrypoints?.ui === undefined ? { main } : { main, ui: withoutDot(entrypoints.ui) },
    configSchema,
    defaultConfig: raw.defaultConfig ?? {},
    permissions,
    optionalPermissions: unique(raw.optionalPermissions?.map(normalisePermission)).filter(
      (one) => !permissions.includes(one),
    ),
    dependencies: raw.dependencies ?? {},
    optionalDependencies: raw.optionalDependencies ?? {},
    overrides: raw.overrides ?? [],
    events: raw.events ?? [],
    jobs: raw.jobs ?? [],
    limits: raw.limits ?? {},
  };
}

function unique(values: readonly string[] = []): string[] {
  return [...new Set(values)];
}

/**
 * The JSON Schema of manifest.json as it is published, for editors and the docs.
 * @param permissionPatterns as for `parseManifest`
 */
export function manifestJsonSchema(permissionPatterns: readonly string[]): object {
  const sources = [
    ...permissionPatterns,
    ...PLATFORM_PERMISSIONS.map((kind) => kind.pattern),
    '(?:read|write):(?:sessions|users|templates|infrastructure)',
  ];
  const items = { pattern: `^(?:${sources.join('|')})$`, examples: PLATFORM_PERMISSIONS.map((kind) => kind.example) };
  const { properties, ...rest } = JSON.parse(
    JSON.stringify(manifestSchema, (key, value) => (key === 'hint' ? undefined : value)),
  );
  for (const key of ['permissions', 'optionalPermissions']) Object.assign(properties[key].items, items);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: '/api/schemas/manifest.json',
    title: 'StreamSpace plugin manifest',
    ...rest,
    properties,
  };
}
