import { PLUGIN_LIMITS } from '../host/limits.ts';
import type { PermissionCatalog } from './grants.ts';
import type { Capability, SwitchedOff } from './switches.ts';
import type { Use, UseKind } from './use-rows.ts';

const DAY_MS = 86_400_000;
/** A grant is written down when the load under it has succeeded, and that load may have used it. */
const LOAD_MS = PLUGIN_LIMITS.loadMs.ceiling;

export interface ReportInput {
  /** What the manifest says; null when it could not be read. */
  readonly manifest: {
    readonly permissions: readonly string[];
    readonly optionalPermissions: readonly string[];
  } | null;
  readonly grants: readonly string[];
  readonly capabilities: readonly Capability[];
  readonly off: readonly SwitchedOff[];
  readonly uses: readonly Use[];
  readonly catalog: Pick<PermissionCatalog, 'describe'>;
  /** A grant that was not used for so many days is called unused. */
  readonly unusedDays: number;
  readonly now: Date;
}

/** What a plugin was granted, asks for and uses; what it may be cut off from. Pure; times are ISO 8601, UTC. */
export function permissionReport(input: ReportInput) {
  const { manifest, grants, uses, catalog, unusedDays, now } = input;
  const of = (kind: UseKind): Map<string, Use> =>
    new Map(uses.filter((use) => use.kind === kind).map((use) => [use.name, use]));
  const byPermission = of('permission');
  const byCapability = of('capability');
  const required = manifest?.permissions ?? [];
  const optional = manifest?.optionalPermissions ?? [];
  const names = new Set([...grants, ...required, ...optional, ...byPermission.keys()]);

  const permissions = [...names].sort().map((name) => {
    const use = byPermission.get(name);
    return {
      ...catalog.describe(name),
      granted: grants.includes(name),
      grantedAt: iso(use?.grantedAt),
      asked: required.includes(name) || optional.includes(name),
      optional: optional.includes(name) && !required.includes(name),
      ...counted(use),
    };
  });
  const capabilities = input.capabilities.map(({ name, summary, fixed }) => {
    const off = input.off.find(({ capability }) => capability === name);
    return {
      capability: name,
      description: summary,
      on: off === undefined,
      off: off === undefined ? null : { at: off.at.toISOString(), by: off.by, reason: off.reason },
      switchable: fixed === null,
      fixed,
      ...counted(byCapability.get(name)),
    };
  });
  const old = now.getTime() - unusedDays * DAY_MS;
  const unused = permissions
    .filter(({ granted, permission }) => granted && isIdle(byPermission.get(permission), old))
    .map(({ permission }) => permission);
  return { permissions, capabilities, unusedDays, unused };
}

/** Granted before `old`, and never used since it was granted. */
function isIdle(use: Use | undefined, old: number): boolean {
  const grantedAt = use?.grantedAt ?? null;
  if (grantedAt === null || grantedAt.getTime() > old) return false;
  const lastUsedAt = use?.lastUsedAt ?? null;
  return lastUsedAt === null || lastUsedAt.getTime() < grantedAt.getTime() - LOAD_MS;
}

function counted(use: Use | undefined) {
  return {
    uses: use?.uses ?? 0,
    firstUsedAt: iso(use?.firstUsedAt),
    lastUsedAt: iso(use?.lastUsedAt),
    refused: use?.refused ?? 0,
    lastRefusedAt: iso(use?.lastRefusedAt),
  };
}

function iso(at: Date | null | undefined): string | null {
  return at?.toISOString() ?? null;
}
