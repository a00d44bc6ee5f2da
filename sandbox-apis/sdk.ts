/**
 * `@streamspace/sdk`: what a plugin imports. The types are those of the rooms' guest halves; `definePlugin` is the only
 * value, and the bundler supplies it.
 */
import type { ApiApi } from './api/guest.ts';
import type { BudgetApi } from './budget/guest.ts';
import type { EventsApi } from './events/guest.ts';
import type { FetchApi } from './fetch/guest.ts';
import type { LogApi } from './log/guest.ts';
import type { PluginsApi } from './plugins/guest.ts';
import type { SchedulerApi } from './scheduler/guest.ts';
import type { SecretsApi } from './secrets/guest.ts';
import type { StorageApi } from './storage/guest.ts';

export type {
  ApiApi,
  Endpoint,
  EndpointOptions,
  Handler,
  Middleware,
  RequestContext,
  RequestUser,
} from './api/guest.ts';
export type { BudgetApi, BudgetEntry } from './budget/guest.ts';
export type { EventHandler, EventInfo, EventsApi, Unsubscribe } from './events/guest.ts';
export type { FetchApi } from './fetch/guest.ts';
export type { LogApi } from './log/guest.ts';
export type { PluginInfo, PluginsApi } from './plugins/guest.ts';
export type { SchedulerApi } from './scheduler/guest.ts';
export type { SecretsApi } from './secrets/guest.ts';
export type { StorageApi } from './storage/guest.ts';

/** The global `streamspace`, also the last argument of each hook. `Config` is the plugin's own configuration type. */
export interface StreamSpace<Config = Readonly<Record<string, unknown>>> {
  /** This plugin, as its manifest says. */
  readonly plugin: { readonly name: string; readonly version: string };
  readonly api: ApiApi;
  readonly budget: BudgetApi;
  /** A live view: after the admin changed the configuration it shows the new values. Sensitive fields are in `secrets`. */
  readonly config: Readonly<Config>;
  readonly events: EventsApi;
  readonly fetch: FetchApi;
  readonly http: { readonly fetch: FetchApi };
  readonly log: LogApi;
  readonly plugins: PluginsApi;
  readonly scheduler: SchedulerApi;
  readonly secrets: SecretsApi;
  readonly storage: StorageApi;
  /**
   * What a refused call rejects with; `permission` names what is missing. `capability` is there when an admin switched the
   * whole capability off for this plugin: it may be back at the next call.
   */
  readonly PermissionError: new (
    ...args: never[]
  ) => Error & { readonly code: string; readonly permission: string; readonly capability?: string };
  /** What a call over a limit rejects with (`fetch`: its `cause`); `limit` names it, `resetsAt` is ISO 8601 or null. */
  readonly QuotaError: new (
    ...args: never[]
  ) => Error & {
    readonly code: string;
    readonly limit: string | null;
    readonly max: number | null;
    readonly resetsAt: string | null;
  };
  /** What any other failed call rejects with; `code` is of docs/errors.md. */
  readonly StreamSpaceError: new (
    ...args: never[]
  ) => Error & { readonly code: string };
}

/** The public part of an account, as user events carry it. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: 'admin' | 'user';
  readonly [key: string]: unknown;
}

/** A workspace session, as session events carry it. */
export interface Session {
  readonly id: string;
  readonly [key: string]: unknown;
}

type Hook<Payload, Config> = (payload: Payload, ctx: StreamSpace<Config>) => unknown;

/** All hooks are optional. An event hook subscribes to its event, and needs the permission for that. */
export interface PluginHooks<Config = Readonly<Record<string, unknown>>> {
  /** Registers what the plugin offers; when it throws, the plugin does not load. */
  onLoad?(ctx: StreamSpace<Config>): unknown;
  /** Before the isolate goes: after a reload has taken over, on disable, uninstall and stop. */
  onUnload?(ctx: StreamSpace<Config>): unknown;
  /** An admin enabled the plugin; after `onLoad`. */
  onEnable?(ctx: StreamSpace<Config>): unknown;
  onDisable?(ctx: StreamSpace<Config>): unknown;
  /** The configuration has changed; `ctx.config` has the new values. */
  onConfigChange?: Hook<Config, Config>;
  /** Another version was here before. */
  onUpgrade?: Hook<string, Config>;
  onSessionCreated?: Hook<Session, Config>;
  onSessionStarted?: Hook<Session, Config>;
  onSessionStopped?: Hook<Session, Config>;
  onSessionHibernated?: Hook<Session, Config>;
  onSessionWoken?: Hook<Session, Config>;
  onSessionDeleted?: Hook<Session, Config>;
  onUserCreated?: Hook<User, Config>;
  onUserUpdated?: Hook<User, Config>;
  onUserDeleted?: Hook<User, Config>;
  onUserLogin?: Hook<User, Config>;
  onUserLogout?: Hook<User, Config>;
  onFileUpload?(file: unknown, session: Session, ctx: StreamSpace<Config>): unknown;
  onQuotaExceeded?(quota: unknown, user: User, ctx: StreamSpace<Config>): unknown;
}

/** The entry of a plugin: `export default definePlugin({ onLoad(ctx) { ... } })`. Answers what it is given. */
export function definePlugin<Config = Readonly<Record<string, unknown>>>(
  plugin: PluginHooks<Config>,
): PluginHooks<Config> {
  return plugin;
}

declare global {
  /** The same as the hooks' last argument. */
  const streamspace: StreamSpace;
}
