/**
 * Lifecycle hooks that are subscriptions: hook -> the event that calls it. `onLoad`, `onUnload` and the other hooks of
 * the plugin itself are not here: the core calls them directly.
 */
export const EVENT_HOOKS = {
  onSessionCreated: 'session.created',
  onSessionStarted: 'session.started',
  onSessionStopped: 'session.stopped',
  onSessionHibernated: 'session.hibernated',
  onSessionWoken: 'session.woken',
  onSessionDeleted: 'session.deleted',
  onUserCreated: 'user.created',
  onUserUpdated: 'user.updated',
  onUserDeleted: 'user.deleted',
  onUserLogin: 'user.login',
  onUserLogout: 'user.logout',
  onFileUpload: 'file.uploaded',
  onQuotaExceeded: 'quota.exceeded',
} as const;

export type EventHook = keyof typeof EVENT_HOOKS;
