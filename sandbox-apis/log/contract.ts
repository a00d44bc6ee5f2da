import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { LINE_LIMITS, LOG_LEVELS } from './levels.ts';

const closed = { additionalProperties: false };

export const logContract = defineRoom({
  name: 'log',
  summary: 'Write structured lines to the log of the plugin.',
  permissions: [],
  calls: {
    write: defineCall({
      summary: 'Write one line.',
      input: Type.Object(
        {
          level: Type.Union(LOG_LEVELS.map((level) => Type.Literal(level))),
          // Room for the mark of a cut; what is longer is cut by the log, not refused: nobody would see the refusal.
          message: Type.String({ maxLength: 2 * LINE_LIMITS.messageChars }),
          fields: Type.Optional(
            Type.Record(Type.String({ pattern: `^[\\s\\S]{0,${LINE_LIMITS.fieldNameChars}}$` }), Type.Unknown(), {
              maxProperties: LINE_LIMITS.fields,
              ...closed,
            }),
          ),
        },
        closed,
      ),
      output: Type.Object({}, closed),
      errors: [],
      deadlineMs: 1_000,
      oneway: true,
    }),
  },
});
