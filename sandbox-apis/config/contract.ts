import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';

const closed = { additionalProperties: false };

/** The guest seldom calls: the core sends the configuration with the load and with each change of it. */
export const configContract = defineRoom({
  name: 'config',
  summary: 'Read the configuration that the admin gave, validated and with defaults filled in.',
  permissions: [],
  calls: {
    get: defineCall({
      summary: 'Read the configuration as it is now.',
      input: Type.Object({}, closed),
      output: Type.Object(
        { config: Type.Unsafe<Readonly<Record<string, unknown>>>(Type.Object({}, { description: 'At most 64 KiB' })) },
        closed,
      ),
      errors: [],
      deadlineMs: 5_000,
    }),
  },
});
