/**
 * `@streamspace/sdk`: what a plugin imports. The types are those of the rooms' guest halves; `definePlugin` is the only
 * value, and the bundler supplies it.
 */
import type { ErrorCode } from './_kit/errors.ts';
import type { ApiApi } from './api/guest.ts';
import type { BudgetApi } from './budget/guest.ts';
import type { ConnectApi } from './connect/guest.ts';
import type { DatabaseApi } from './database/guest.ts';
import type { EventsApi } from './events/guest.ts';
import type { Session, User } from './events/payloads.ts';
import type { FetchApi } from './fetch/guest.ts';
import type { FilesApi } from './files/guest.ts';
import type { LogApi } from './log/guest.ts';
import type { PluginsApi } from './plugins/guest.ts';
import type { SchedulerApi } from './scheduler/guest.ts';
import type { SecretsApi } from './secrets/guest.ts';
import type { ServicesApi } from './services/guest.ts';
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
export type { ConnectApi, Socket, SocketAddress, SocketInfo, SocketOptions } from './connect/guest.ts';
export type {
  DatabaseApi,
  DatabaseParameter,
  DatabaseQueries,
  DatabaseResult,
  DatabaseTransaction,
  DatabaseTransactionOptions,
  SqlStatement,
} from './database/guest.ts';
export type { EventHandler, EventInfo, EventsApi, Unsubscribe } from './events/guest.ts';
export type { EventPayloads, PluginVersion, Session, User } from './events/payloads.ts';
export type { FetchApi } from './fetch/guest.ts';
export type {
  FileBody,
  FileConditions,
  FileInfo,
  FileRange,
  FilesApi,
  FilesPage,
  ListFilesOptions,
  PutOptions,
  StoredFile,
  UrlOptions,
} from './files/guest.ts';
export type { LogApi } from './log/guest.ts';
export type { PluginInfo, PluginsApi } from './plugins/guest.ts';
export type { SchedulerApi } from './scheduler/guest.ts';
export type { SecretsApi } from './secrets/guest.ts';
export type { ServiceContext, ServicesApi, StorageBackend } from './services/guest.ts';
export type { StorageApi, StorageEntry, StorageWrite } from './storage/guest.ts';

/**
 * The global `streamspace`, also the last argument of each hook. `Config` is the plugin's own configuration type.
 *
 * @example
 * ```ts
 * const { log, storage } = streamspace;
 * log.info('visits', { count: await storage.increment('visits') });
 * ```
 */
export interface StreamSpace<Config = Readonly<Record<string, unknown>>> {
  /** This plugin, as its manifest says. */
  readonly plugin: { readonly name: string; readonly version: string };
  readonly api: ApiApi;
  readonly budget: BudgetApi;
  /**
   * The configuration, validated, defaults filled in. A live view: after the admin changed it, the same object shows the
   * new values. Sensitive fields are in `secrets`.
   *
   * @example
   * ```ts
   * streamspace.log.info('posting', { to: streamspace.config.channel });
   * ```
   */
  readonly config: Readonly<Config>;
  /** TCP and TLS sockets: https://sockets-api.proposal.wintertc.org/ */
  readonly connect: ConnectApi;
  readonly database: DatabaseApi;
  readonly events: EventsApi;
  readonly fetch: FetchApi;
  readonly files: FilesApi;
  readonly http: { readonly fetch: FetchApi };
  readonly log: LogApi;
  readonly plugins: PluginsApi;
  readonly scheduler: SchedulerApi;
  readonly secrets: SecretsApi;
  readonly services: ServicesApi;
  readonly storage: StorageApi;
  /** The class of what a statement rejects with that Postgres refuses. */
  readonly DatabaseError: ErrorClass<DatabaseError>;
  /** The class of what a refused call rejects with. */
  readonly PermissionError: ErrorClass<PermissionError>;
  /** The class of what a call over a limit rejects with; `fetch` has it as `cause`. */
  readonly QuotaError: ErrorClass<QuotaError>;
  /** The class of what any call rejects with; the others extend it. */
  readonly StreamSpaceError: ErrorClass<StreamSpaceError>;
}

/** For `instanceof`: plugins do not make such errors. */
type ErrorClass<Made extends StreamSpaceError> = abstract new (...args: never[]) => Made;

/**
 * What a failed call rejects with; docs/errors.md has the codes.
 *
 * @example
 * ```ts
 * try {
 *   await streamspace.storage.set('members', ['ada'], { ifVersion: 0 });
 * } catch (error) {
 *   if (!(error instanceof streamspace.StreamSpaceError) || error.code !== 'version_conflict') throw error;
 *   streamspace.log.info('somebody was faster');
 * }
 * ```
 */
export interface StreamSpaceError extends Error {
  readonly code: ErrorCode;
  /** True when the same again may pass, with no fault of yours in between. */
  readonly retryable?: boolean;
  /** With `version_conflict`: the version that the key has now, 0 when it is absent. */
  readonly current?: number;
  /** With `version_conflict`: which key it is. */
  readonly key?: string;
}

/** A permission is missing: ask for it in the manifest, or do without. */
export interface PermissionError extends StreamSpaceError {
  readonly code: 'permission_denied';
  /** What is missing, as the manifest says it: `network:api.example.com`. */
  readonly permission: string;
  /** There when an admin switched the whole capability off for this plugin: it may be back at the next call. */
  readonly capability?: string;
}

/** A limit of the plugin is used up; `streamspace.budget` tells how much is left. */
export interface QuotaError extends StreamSpaceError {
  readonly code: 'quota_exceeded';
  /** Its name in the manifest, such as `hostCallsPerMinute.fetch`; null for a bound that no limit sets. */
  readonly limit: string | null;
  readonly max: number | null;
  /** When it is free again (ISO 8601); null when it is not counted by time. */
  readonly resetsAt: string | null;
}

/**
 * Postgres refused a statement. Its `sqlstate` is the stable part: https://www.postgresql.org/docs/current/errcodes-appendix.html
 *
 * @example
 * ```ts
 * try {
 *   await streamspace.database.exec('insert into people (name) values ($1)', ['Ada']);
 * } catch (error) {
 *   if (!(error instanceof streamspace.DatabaseError) || error.sqlstate !== '23505') throw error;
 *   streamspace.log.info('she is there already', { constraint: error.constraint });
 * }
 * ```
 */
export interface DatabaseError extends StreamSpaceError {
  readonly code: 'database_error';
  /** Five characters: `23505` is a unique violation. */
  readonly sqlstate: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Where in the statement, in characters from 1. */
  readonly position?: number;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
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

/**
 * The entry of a plugin. Answers what it is given; the type of `Config` is what the manifest's `configSchema` describes.
 *
 * @example
 * ```ts
 * import { definePlugin } from '@streamspace/sdk';
 *
 * interface Config {
 *   readonly greeting: string;
 * }
 *
 * export default definePlugin<Config>({
 *   onLoad({ api, config, storage }) {
 *     api.get('/hello', async () => ({ message: config.greeting, visits: await storage.increment('visits') }));
 *   },
 * });
 * ```
 */
export function definePlugin<Config = Readonly<Record<string, unknown>>>(
  plugin: PluginHooks<Config>,
): PluginHooks<Config> {
  return plugin;
}

declare global {
  /** The same as the hooks' last argument. */
  const streamspace: StreamSpace;
}
