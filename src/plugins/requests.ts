import semver from 'semver';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Trx } from '../db/client.ts';
import { publish } from '../events/publish.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PackageFiles } from '../packages/read.ts';
import { audit } from '../permissions/audit.ts';
import type { Plugin } from './plugin.ts';
import { type Settings, settingsOf, storedSettings } from './settings.ts';
import { type PluginRow, type PluginSource, saveVersion } from './store.ts';

/** Who asks for a change; for the audit log. */
export interface Actor {
  readonly kind: 'user' | 'system';
  readonly id: string;
  readonly userId: string | null;
}

export const SYSTEM: Actor = { kind: 'system', id: 'core', userId: null };

export interface InstallRequest {
  readonly pkg: PackageFiles;
  readonly source: PluginSource;
  readonly folder: string | null;
  readonly grants: 'all' | readonly string[] | null;
  readonly config: Record<string, unknown> | null;
  readonly enable: boolean;
  /** An older version than the installed one is taken too. */
  readonly allowDowngrade: boolean;
}

export interface ChangeRequest {
  readonly enabled?: boolean;
  readonly config?: Record<string, unknown>;
  readonly grants?: 'all' | readonly string[];
  readonly limits?: Record<string, unknown>;
  readonly ownProcess?: boolean;
}

/** Of a plugin that was not there before. */
export const NOTHING: Settings = { plain: {}, secrets: {} };

/** A disabled plugin may still lack what its schema requires; it is checked when it is enabled. */
export function settingsFor(
  manifest: Manifest,
  config: Record<string, unknown> | null,
  stored: Settings,
  enabled: boolean,
): Settings {
  if (config === null) return enabled ? storedSettings(manifest, stored) : stored;
  return settingsOf(manifest, { ...manifest.defaultConfig, ...config }, stored);
}

export function newRow(request: InstallRequest, manifest: Manifest): PluginRow & { installedBy: string | null } {
  const now = new Date();
  return {
    id: 0,
    name: manifest.name,
    version: manifest.version,
    source: request.source,
    packageDigest: request.pkg.digest,
    enabled: false,
    config: {},
    grants: [],
    limits: {},
    ownProcess: false,
    quarantineReason: null,
    revision: 0,
    generation: 0,
    installedAt: now,
    updatedAt: now,
    installedBy: null,
  };
}

export function checkReplacement({ row, folder }: Plugin, request: InstallRequest, manifest: Manifest): void {
  // A watched folder that is gone has no say any more.
  if (row.source !== request.source && !(row.source === 'folder' && folder === null)) {
    const where =
      row.source === 'builtin'
        ? 'comes with the core'
        : row.source === 'folder'
          ? 'is loaded from a folder'
          : 'was uploaded';
    throw new CodedError('conflict', `The plugin ${row.name} ${where}; it cannot be replaced from elsewhere`);
  }
  if (!request.allowDowngrade && semver.lt(manifest.version, row.version)) {
    throw new CodedError(
      'conflict',
      `${manifest.version} is older than the installed ${row.version}; send downgrade=true to take it`,
    );
  }
}

export interface Upgrade {
  readonly manifest: Manifest;
  /** Of the package. */
  readonly digest: string;
  readonly grants: readonly string[];
  /** The version before. */
  readonly from: string;
}

/** For a transaction that puts a version in the place of another (or of itself, packed anew). */
export async function noteUpgrade(trx: Trx, actor: Actor, upgrade: Upgrade): Promise<void> {
  const { manifest, digest, grants, from } = upgrade;
  const { name, version } = manifest;
  await saveVersion(trx, manifest, digest);
  await publish(trx, { name: 'plugin.upgraded', data: { plugin: name, version, from } });
  await writeAudit(trx, actor, 'plugin.upgraded', name, { version, from, grants });
}

export function writeAudit(
  trx: Trx,
  actor: Actor,
  action: string,
  target: string,
  detail: Record<string, unknown>,
): Promise<void> {
  return audit(trx, { actorKind: actor.kind, actor: actor.id, action, target, detail });
}
