/** Limits of `services`: data, with the reason beside each number. */
export const SERVICE_LIMITS = {
  /** Services that one plugin provides: there are no more kinds, and none is provided twice. */
  registrations: 16,
  /** Methods of a service. */
  methods: 32,
} as const;
