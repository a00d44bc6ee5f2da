import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { SCHEDULER_LIMITS } from './limits.ts';

const Registration = Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

/** What both kinds of job say. */
const Job = {
  name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.:-]*$', maxLength: 64 }),
  overlap: Type.Union([Type.Literal('skip'), Type.Literal('queue'), Type.Literal('allow')]),
  /** `true` is `last`, `false` is `none`. */
  catchUp: Type.Union([Type.Boolean(), Type.Literal('none'), Type.Literal('last'), Type.Literal('all')]),
  jitter: Type.Optional(Type.Union([Type.Number(), Type.String({ minLength: 2, maxLength: 16 })])),
  retries: Type.Optional(Type.Integer({ minimum: 0, maximum: SCHEDULER_LIMITS.retries })),
  handler: Type.Integer({ minimum: 1, maximum: 60_000 }),
};

export const schedulerContract = defineRoom({
  name: 'scheduler',
  summary: 'Run functions at times of a cron pattern or at intervals.',
  permissions: [],
  calls: {
    schedule: defineCall({
      summary: 'Run a handler at the times of a cron pattern.',
      input: Type.Object(
        {
          ...Job,
          cron: Type.String({ minLength: 1, maxLength: SCHEDULER_LIMITS.cronLength }),
          timezone: Type.String({ minLength: 1, maxLength: 64 }),
        },
        { additionalProperties: false },
      ),
      output: Registration,
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
    }),
    every: defineCall({
      summary: 'Run a handler at an interval.',
      input: Type.Object(
        { ...Job, interval: Type.Union([Type.Number(), Type.String({ minLength: 2, maxLength: 16 })]) },
        { additionalProperties: false },
      ),
      output: Registration,
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
    }),
    cancel: defineCall({
      summary: 'Remove a job.',
      input: Registration,
      output: Type.Object({}, { additionalProperties: false }),
      errors: [],
      deadlineMs: 5_000,
      registers: true,
      oneway: true,
    }),
  },
});
