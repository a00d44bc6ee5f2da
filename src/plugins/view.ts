import type { PluginLimits } from '../host/limits.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Plugin } from './plugin.ts';
import { hasSecrets, shownConfig } from './settings.ts';
import type { PluginFailure } from './state.ts';
import type { PluginRow } from './store.ts';

export interface ViewDeps {
  readonly vault: Vault;
  readonly schedules: Schedules;
  readonly limitsOf: (plugin: string) => PluginLimits;
  /** Capabilities that an admin cut. */
  readonly switchedOff: (plugin: string) => readonly string[];
}

/** A plugin as the API shows it (SPEC 12.4). Sensitive config values are masked. */
export async function viewPlugin(plugin: Plugin, { vault, schedules, limitsOf, switchedOff }: ViewDeps) {
  const { row, manifest, state } = plugin;
  const { registrations } = plugin;
  const prefix = `/api/plugins/${row.name}`;
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    displayName: manifest?.displayName ?? row.name,
    description: manifest?.description ?? '',
    type: manifest?.type ?? null,
    category: manifest?.category ?? null,
    source: row.source,
    state: state.kind,
    enabled: row.enabled,
    permissions: manifest?.permissions ?? [],
    optionalPermissions: manifest?.optionalPermissions ?? [],
    grants: row.grants,
    switchedOff: switchedOff(row.name),
    config: manifest === null ? row.config : await configOf(manifest, row, vault),
    configSchema: manifest?.configSchema ?? null,
    endpoints: (registrations?.routes ?? []).map((route) => ({
      method: route.method,
      path: `${prefix}${route.path}`,
      auth: route.auth,
      permissions: route.permissions,
      rateLimit: route.rateLimit,
      summary: route.summary,
    })),
    events: [...new Set((registrations?.subscriptions ?? []).map(({ pattern }) => pattern))],
    jobs: schedules.list(row.name),
    methods: (registrations?.methods ?? []).map(({ name }) => name),
    ui: manifest?.ui ?? {},
    limits: limitsOf(row.name),
    ownProcess: row.ownProcess,
    /** The isolate host that it runs in. */
    host: plugin.instance?.guest.home?.placement ?? null,
    error: errorOf(plugin),
    installedAt: row.installedAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

async function configOf(manifest: Manifest, { name, config }: PluginRow, vault: Vault) {
  return hasSecrets(manifest) ? shownConfig(manifest, config, await vault.names(name)) : config;
}

function errorOf({ state }: Plugin): PluginFailure | null {
  switch (state.kind) {
    case 'failed':
      return state.failure;
    case 'active':
      return state.reloadFailure;
    case 'quarantined':
      return { code: 'plugin_quarantined', message: state.reason, stack: null, at: '' };
    default:
      return null;
  }
}
