import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Resident } from '../broker/answer.ts';
import { GuestFailure } from '../host/guest.ts';
import type { PluginLimits } from '../host/limits.ts';
import { LoadRefused } from '../host/load-refused.ts';
import type { Supervisor } from '../host/supervisor.ts';
import type { Log } from '../log.ts';
import type { Bundler } from '../packages/bundle.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PackageFiles } from '../packages/read.ts';
import type { Quotas } from '../quotas/quotas.ts';
import { inSpan } from '../telemetry/scope.ts';
import { Instance, type WriteLog } from './instance.ts';
import { type AskedLimits, resolveLimits } from './limits.ts';
import type { Meters } from './meters.ts';
import type { Lodging } from './placement.ts';
import type { Registrations } from './registrations.ts';
import { belowWrapper, StackMapper } from './source-map.ts';
import type { Staged } from './staged.ts';
import type { PluginFailure } from './state.ts';
import type { PluginSource } from './store.ts';

/** Who lives in an isolate, and what is needed to tell how it died. */
export interface Inhabitant extends Resident {
  readonly limits: PluginLimits;
  readonly stacks: StackMapper;
  /** The database that it works in while that is staged; its plugin's current one otherwise. */
  readonly database?: string;
  /** What it has until the change that it was loaded for is committed. */
  staged: Staged | null;
}

export interface LoaderDeps {
  readonly log: Log;
  readonly supervisor: Supervisor;
  readonly bundler: Bundler;
  readonly registrations: Registrations;
  readonly meters: Meters;
  readonly quotas: Pick<Quotas, 'of'>;
  /** The operator's own ceilings of limits. */
  readonly ceilings: AskedLimits;
  readonly logOf: (plugin: string) => WriteLog;
  /** The text without the plugin's secrets. */
  readonly mask: (plugin: string, text: string) => string;
  readonly lodgingOf: (plugin: string, ownProcess: boolean) => Lodging;
  /** Throws CodedError `confinement_required` when a plugin of that source is not to run here. */
  readonly admit: (plugin: { readonly name: string; readonly source: PluginSource }) => void;
  /** The record of who lives in which isolate, by the isolate's number. */
  readonly residents: Map<number, Inhabitant>;
}

/** What is to be loaded: a package with what the admin said about it. */
export interface LoadRequest {
  readonly pkg: PackageFiles;
  readonly manifest: Manifest;
  readonly config: Record<string, unknown>;
  readonly grants: readonly string[];
  readonly limits: Record<string, unknown>;
  readonly source: PluginSource;
  readonly ownProcess: boolean;
  /** A staged database that it is to work in. */
  readonly database?: string;
  /** What it has that is not its plugin's yet. */
  readonly staged?: Pick<Staged, 'secrets' | 'space'>;
  /** Whether its isolate is to be inspected, for which it gets a process of its own. */
  readonly inspect?: boolean;
}

/**
 * Bundles a package and brings it up in an isolate of its own, `onLoad` included. Nothing is routed to it yet.
 *
 * @throws CodedError `confinement_required`, `bundle_failed`, `plugin_load_failed` (extra: `stack` in the plugin's own files),
 *   `plugin_unavailable` when the isolate host was lost, which is not the plugin's fault
 */
export async function loadPlugin(deps: LoaderDeps, request: LoadRequest): Promise<Instance> {
  const { manifest } = request;
  deps.admit({ name: manifest.name, source: request.source });
  const begun = performance.now();
  const facts = { 'streamspace.plugin': manifest.name, 'streamspace.plugin.version': manifest.version };
  const bundle = await inSpan('plugin bundle', facts, () => deps.bundler.bundle(request.pkg, manifest));
  const limits = resolveLimits(manifest.limits ?? {}, request.limits, deps.ceilings);
  const isolate = deps.supervisor.nextIsolate();
  const inspect = request.inspect === true;
  const stacks = new StackMapper(manifest.name, inspect ? belowWrapper(bundle.map) : bundle.map);
  const { name: plugin, version } = manifest;
  const resident: Inhabitant = {
    plugin,
    version,
    grants: request.grants,
    limits,
    stacks,
    ...(request.database === undefined ? {} : { database: request.database }),
    staged: request.staged === undefined ? null : { ...request.staged, committing: null },
  };
  const registrations = deps.registrations.open(isolate);
  const log = deps.logOf(manifest.name);
  const mask = (text: string): string => deps.mask(manifest.name, text);
  deps.residents.set(isolate, resident);
  const { placement, onPool }: Lodging = inspect
    ? { placement: { kind: 'inspected', plugin, isolate }, onPool: true }
    : deps.lodgingOf(manifest.name, request.ownProcess);
  const head = {
    plugin: manifest.name,
    version: manifest.version,
    memoryMb: limits.memoryMb,
    cpuMs: limits.cpuMsPerCall,
    loadMs: limits.loadMs,
    timers: limits.timers,
    config: request.config,
    onPool,
    ...(inspect ? { inspect } : {}),
  };
  try {
    const bundled = performance.now();
    const guest = await inSpan('isolate load', facts, () =>
      deps.supervisor.load(isolate, head, bundle.code, placement),
    );
    const made = performance.now();
    const instance = new Instance({
      guest,
      resident,
      manifest,
      packageDigest: request.pkg.digest,
      limits,
      registrations,
      stacks,
      log,
      mask,
      meter: deps.meters.of(manifest.name),
      quotas: deps.quotas.of(manifest.name),
    });
    try {
      await instance.load();
    } catch (error) {
      guest.dispose();
      throw error;
    }
    const ms = (from: number, to: number): number => Math.round((to - from) * 100) / 100;
    const done = performance.now();
    const times = { bundleMs: ms(begun, bundled), isolateMs: ms(bundled, made), onLoadMs: ms(made, done) };
    deps.log.info(
      { plugin: manifest.name, version: manifest.version, ...times, ms: ms(begun, done) },
      'loaded a plugin',
    );
    return instance;
  } catch (error) {
    deps.registrations.close(isolate);
    deps.residents.delete(isolate);
    throw loadFailed(error, stacks, mask);
  }
}

/** Every failure to load becomes one code, with the position in the plugin's own files where there is one. */
function loadFailed(error: unknown, stacks: StackMapper, mask: (text: string) => string): CodedError {
  if (error instanceof CodedError) {
    if (error.code === 'plugin_error') return new CodedError('plugin_load_failed', error.message, error.extra);
    if (error.code === 'plugin_deadline') {
      return new CodedError('plugin_load_failed', 'The plugin did not finish loading within its deadline');
    }
    return error;
  }
  const guest = error instanceof LoadRefused || error instanceof GuestFailure ? error.guest : null;
  const message =
    guest === null ? (error instanceof Error ? error.message : String(error)) : `${guest.name}: ${guest.message}`;
  const stack = guest === null ? null : mask(stacks.map(guest.stack));
  return new CodedError('plugin_load_failed', mask(message), stack === null ? {} : { stack });
}

/** A failure as the API and the log show it. */
export function toFailure(error: unknown): PluginFailure {
  const at = new Date().toISOString();
  if (!(error instanceof CodedError)) {
    return { code: 'internal', message: error instanceof Error ? error.message : String(error), stack: null, at };
  }
  const { stack } = error.extra;
  return { code: error.code, message: error.message, stack: typeof stack === 'string' ? stack : null, at };
}
