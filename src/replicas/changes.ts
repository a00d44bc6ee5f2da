/** The channel on which Postgres tells of changed rows (migrations/0022_replicas.sql). */
export const CHANGES_CHANNEL = 'streamspace_changes';

const KINDS = ['plugin', 'switches', 'database', 'pause', 'paused', 'user', 'credential', 'key'] as const;

/** Where to look: a name of a plugin, or the id of a user or a credential. */
export interface Hint {
  readonly kind: (typeof KINDS)[number];
  readonly what: string;
}

/** Reads a notification; null for what is none of ours. Any role may send one: it never says more than where to look. */
export function parseHint(payload: string): Hint | null {
  const at = payload.indexOf(':');
  const kind = KINDS.find((one) => one === payload.slice(0, Math.max(at, 0)));
  return kind === undefined || payload.length > 200 ? null : { kind, what: payload.slice(at + 1) };
}
