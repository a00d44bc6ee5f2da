/** A user's account, as events of users carry it. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: 'admin' | 'user';
  /** Given to this user by name, besides those of the role. */
  readonly permissions: readonly string[];
  /** An inactive user cannot sign in. */
  readonly active: boolean;
  /** ISO 8601, UTC; so are the other times. */
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly lastLoginAt: string | null;
}

/** A workspace session, as events of sessions carry it. */
export interface Session {
  readonly id: string;
  readonly [key: string]: unknown;
}

/** A version of a plugin that came or went. */
export interface PluginVersion {
  readonly plugin: string;
  readonly version: string;
}

/**
 * What the platform's events carry, by name or pattern. Tell the compiler of events of other plugins by adding to it:
 *
 * @example
 * ```ts
 * declare module '@streamspace/sdk' {
 *   interface EventPayloads {
 *     'plugin.streamspace-billing.invoice.paid': { readonly invoice: string; readonly cents: number };
 *   }
 * }
 * streamspace.events.on('plugin.streamspace-billing.invoice.paid', ({ invoice, cents }) => {
 *   streamspace.log.info('paid', { invoice, cents });
 * });
 * ```
 */
export interface EventPayloads {
  'user.created': User;
  'user.updated': User;
  'user.deleted': User;
  'user.login': User;
  'user.logout': User;
  'user.*': User;
  'session.created': Session;
  'session.started': Session;
  'session.stopped': Session;
  'session.hibernated': Session;
  'session.woken': Session;
  'session.deleted': Session;
  'session.*': Session;
  'file.uploaded': { readonly file: unknown; readonly session: Session };
  'quota.exceeded': { readonly quota: unknown; readonly user: User };
  'plugin.installed': PluginVersion;
  'plugin.enabled': PluginVersion;
  'plugin.disabled': PluginVersion;
  'plugin.upgraded': PluginVersion;
  'plugin.uninstalled': PluginVersion;
  'plugin.failed': { readonly plugin: string; readonly message: string };
  'plugin.quarantined': { readonly plugin: string; readonly reason: string };
}
