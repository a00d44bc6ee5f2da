import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';

const closed = { additionalProperties: false };

/** Characters of a limit's name; the longest is half of it. */
const NAME_CHARS = 100;
/** Limits that one answer lists: some twenty, and one for each capability. */
const ENTRIES = 200;

const Name = Type.String({ minLength: 1, maxLength: NAME_CHARS });

export const budgetContract = defineRoom({
  name: 'budget',
  summary: 'See your limits and what is used of them.',
  permissions: [],
  calls: {
    get: defineCall({
      summary: 'List the limits of the plugin, or one of them.',
      input: Type.Object({ limit: Type.Optional(Name) }, closed),
      output: Type.Object(
        {
          entries: Type.Array(
            Type.Object(
              {
                limit: Name,
                max: Type.Number(),
                used: Type.Union([Type.Number(), Type.Null()]),
                resetsAt: Type.Union([Type.String({ maxLength: 30 }), Type.Null()]),
              },
              closed,
            ),
            { maxItems: ENTRIES },
          ),
        },
        closed,
      ),
      errors: [],
      deadlineMs: 5_000,
    }),
  },
});
