import { satisfies, valid, validRange } from 'semver';
import { version as hostVersion } from '../../package.json';
import { CodedError, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { parseCron } from '../../sandbox-apis/scheduler/when.ts';
import { closest } from './manifest-issues.ts';
import type { RawManifest } from './manifest-schema.ts';
import { hasMigrations, migrationIssues } from './migrations.ts';
import { normalisePermission, PLATFORM_PERMISSIONS } from './permissions.ts';
import type { PackageFiles } from './read.ts';

/** Words that URLs below /api/plugins, tables, or objects use themselves. */
export const RESERVED_NAMES: readonly string[] = [
  'api',
  'admin',
  'bulk',
  'catalog',
  'config',
  'constructor',
  'core',
  'custom',
  'events',
  'health',
  'install',
  'installed',
  'logs',
  'marketplace',
  'metrics',
  'platform',
  'plugin',
  'plugins',
  'postgres',
  'prototype',
  'public',
  'repositories',
  'schemas',
  'streamspace',
  'submissions',
  'system',
  'ui',
  'uploads',
];
/** Postgres keeps names that begin with pg_ for itself, and a dash becomes an underscore there. */
const RESERVED_PREFIX = 'pg-';

const DEFAULT_ENTRIES = ['index.ts', 'index.tsx', 'index.js', 'index.mjs', 'index.cjs'];

/** True for a name that no plugin and no route prefix may have. */
export function isReservedName(name: string): boolean {
  return RESERVED_NAMES.includes(name) || name.startsWith(RESERVED_PREFIX);
}

/** The entry that a package without `entrypoints.main` has, or undefined. */
export function defaultEntry(pkg: PackageFiles): string | undefined {
  return DEFAULT_ENTRIES.find((name) => pkg.files.has(name));
}

/** What is wrong with a manifest of the right shape, beyond what its schema can say. */
export function ruleIssues(raw: RawManifest, pkg: PackageFiles, permissionPatterns: readonly string[]): Issue[] {
  return [
    ...identityIssues(raw),
    ...entryIssues(raw, pkg),
    ...rangeIssues(raw),
    ...permissionIssues(raw, permissionPatterns),
    ...jobIssues(raw),
    ...databaseIssues(raw, pkg),
    ...serviceIssues(raw),
  ];
}

function* identityIssues(raw: RawManifest): Generator<Issue> {
  if (isReservedName(raw.name)) yield { pointer: '/name', message: `"${raw.name}" is a reserved name` };
  if (valid(raw.version) !== raw.version)
    yield { pointer: '/version', message: `"${raw.version}" is not a version: it looks like 1.2.3` };
  if (raw.routePrefix !== undefined && isReservedName(raw.routePrefix)) {
    yield { pointer: '/routePrefix', message: `"${raw.routePrefix}" is a reserved name` };
  }
}

function* entryIssues(raw: RawManifest, pkg: PackageFiles): Generator<Issue> {
  const { main, ui } = raw.entrypoints ?? {};
  if (main === undefined) {
    if (!defaultEntry(pkg))
      yield {
        pointer: '/entrypoints/main',
        message: `is missing, and the package has none of ${DEFAULT_ENTRIES.join(', ')}`,
      };
  } else if (!pkg.files.has(withoutDot(main))) {
    yield { pointer: '/entrypoints/main', message: `"${main}" is not in the package` };
  } else if (!/\.(?:[cm]?[jt]s|[jt]sx)$/.test(main)) {
    yield { pointer: '/entrypoints/main', message: `"${main}" is not TypeScript or JavaScript` };
  }
  if (ui !== undefined && !pkg.files.has(withoutDot(ui)))
    yield { pointer: '/entrypoints/ui', message: `"${ui}" is not in the package` };
}

/** `./index.ts` is `index.ts`. */
export function withoutDot(path: string): string {
  return path.replace(/^(?:\.\/)+/, '');
}

function* rangeIssues(raw: RawManifest): Generator<Issue> {
  const range = raw.engines?.streamspace;
  if (range !== undefined) {
    if (validRange(range) === null)
      yield { pointer: '/engines/streamspace', message: `"${range}" is not a version range` };
    else if (!satisfies(hostVersion, range, { includePrerelease: true })) {
      yield { pointer: '/engines/streamspace', message: `asks for StreamSpace ${range}; this is ${hostVersion}` };
    }
  }
  for (const key of ['dependencies', 'optionalDependencies'] as const) {
    for (const [name, wanted] of Object.entries(raw[key] ?? {})) {
      if (name === raw.name) yield { pointer: `/${key}/${name}`, message: 'is the plugin itself' };
      if (validRange(wanted) === null)
        yield { pointer: `/${key}/${name}`, message: `"${wanted}" is not a version range` };
    }
  }
}

function* permissionIssues(raw: RawManifest, patterns: readonly string[]): Generator<Issue> {
  const known = [...patterns, ...PLATFORM_PERMISSIONS.map((kind) => kind.pattern)].map(
    (source) => new RegExp(`^(?:${source})$`),
  );
  const words = [...PLATFORM_PERMISSIONS.map((kind) => kind.example), 'network'];
  for (const key of ['permissions', 'optionalPermissions'] as const) {
    for (const [index, written] of (raw[key] ?? []).entries()) {
      const permission = normalisePermission(written);
      if (known.some((pattern) => pattern.test(permission))) continue;
      const near = closest(permission, words);
      yield {
        pointer: `/${key}/${index}`,
        message: `unknown permission "${written}"${near ? `; did you mean "${near}"?` : ''}`,
      };
    }
  }
  const asked = [...(raw.permissions ?? []), ...(raw.optionalPermissions ?? [])];
  if (raw.overrides?.length && !asked.includes('overrides')) {
    yield { pointer: '/overrides', message: 'needs the permission "overrides"' };
  }
}

function* jobIssues(raw: RawManifest): Generator<Issue> {
  const names = new Set<string>();
  for (const [index, job] of (raw.jobs ?? []).entries()) {
    if (names.has(job.name)) yield { pointer: `/jobs/${index}/name`, message: `there is another job "${job.name}"` };
    names.add(job.name);
    try {
      parseCron(job.cron, job.timezone ?? 'UTC');
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      const field = error.message.startsWith('timezone:') ? 'timezone' : 'cron';
      yield { pointer: `/jobs/${index}/${field}`, message: error.message.replace(/^\w+: /, '') };
    }
  }
}

/** Admins read what a plugin provides in its manifest; the permission alone does not say it to programs. */
function* serviceIssues(raw: RawManifest): Generator<Issue> {
  for (const key of ['permissions', 'optionalPermissions'] as const) {
    for (const [index, permission] of (raw[key] ?? []).entries()) {
      const [, name] = /^services:provide:(.+)$/.exec(permission) ?? [];
      if (name === undefined || raw.services?.provides?.includes(name)) continue;
      yield { pointer: `/${key}/${index}`, message: `"${name}" is not under "services.provides"` };
    }
  }
}

function* databaseIssues(raw: RawManifest, pkg: PackageFiles): Generator<Issue> {
  yield* migrationIssues(pkg);
  const asked = [...(raw.permissions ?? []), ...(raw.optionalPermissions ?? [])];
  if (hasMigrations(pkg) && !asked.includes('database')) {
    yield { pointer: '/permissions', message: 'lacks "database", which the files of migrations/ need' };
  }
}
