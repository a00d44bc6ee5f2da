/** How many restore points a plugin keeps: data, with the reason beside each number. */
export const RESTORE_POINT_LIMITS = {
  /** Each may hold a whole copy of the plugin's database: the last few upgrades are what anybody goes back over. */
  count: 5,
  /** Days: what was wrong with a version shows itself within a month. The newest one stays for as long as it takes. */
  days: 30,
  /** Milliseconds between two looks for those that are too old. */
  pruneMs: 3_600_000,
} as const;
