/** Limits of names and data, as data: the contract, the publisher and the docs read them here. */
export const EVENT_LIMITS = {
  nameLength: 200,
  /** Segments of a name, so that the patterns that match it stay few. */
  nameSegments: 8,
  dataBytes: 256 * 1024,
  dataDepth: 32,
  /** Of one plugin; the registrations refuse more with `quota_exceeded`. */
  subscriptions: 200,
  /** The most that `concurrency` may ask for: that of eight cores. */
  concurrency: 64,
  /** Events that one plugin may emit in a minute. */
  emitsPerMinute: 1200,
} as const;

const SEGMENT = '[A-Za-z0-9_-]{1,64}';

/** Regular expression sources, anchored where they are used. */
export const NAME_SOURCE = `${SEGMENT}(?:\\.${SEGMENT}){0,${EVENT_LIMITS.nameSegments - 1}}`;
export const PATTERN_SOURCE = `(?:\\*|${NAME_SOURCE}(?:\\.\\*)?)`;
/** A path below an event's data: names of properties, joined by dots. */
export const PATH_SOURCE = NAME_SOURCE;

const NAME = new RegExp(`^${NAME_SOURCE}$`);

/** Whether `name` is an event name: segments of letters, digits, `_` and `-`, joined by dots. */
export function isEventName(name: string): boolean {
  return name.length <= EVENT_LIMITS.nameLength && NAME.test(name);
}

/** Every pattern that matches `name`: itself, `*`, and `prefix.*` of each prefix (not `name.*`: that is below it). */
export function patternsMatching(name: string): string[] {
  const segments = name.split('.');
  const prefixes = segments.slice(1).map((_, i) => `${segments.slice(0, i + 1).join('.')}.*`);
  return ['*', ...prefixes, name];
}

/**
 * Whether every name that `pattern` matches is matched by `wider` too; both may be names or patterns. For a name it says
 * whether `wider` matches it.
 */
export function covers(wider: string, pattern: string): boolean {
  if (wider === '*' || wider === pattern) return true;
  return wider.endsWith('.*') && pattern.startsWith(wider.slice(0, -1));
}
