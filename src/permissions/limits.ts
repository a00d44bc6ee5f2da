/** Limits of the counting of permissions: data, with the reason beside each number. */
export const USE_LIMITS = {
  /** Milliseconds between two writes of the counts: what a crash may lose, against one statement for all plugins. */
  writeMs: 30_000,
  /** Permissions of one plugin that are counted between two writes; it may hold 200 grants, and ask for anything. */
  names: 500,
  /** Permissions that a plugin was refused and never used, of which the last are kept: it can make them up without end. */
  refusals: 200,
  /** Days for which a grant may be idle before it is called unused: a month has every kind of weekday and a first. */
  unusedDays: 30,
} as const;

/** Characters of the reason for a switch: a sentence or two, shown in tables. */
export const REASON_LENGTH = 500;
