import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';

const closed = { additionalProperties: false };

/** Limits of the room; the config schema and its value have tighter ones. */
const NAME_CHARS = 512;
const VALUE_CHARS = 65_536;
const NAMES = 1_000;

const Name = Type.String({ minLength: 1, maxLength: NAME_CHARS });

export const secretsContract = defineRoom({
  name: 'secrets',
  summary: 'Read the sensitive fields of your configuration.',
  permissions: [],
  calls: {
    get: defineCall({
      summary: 'Read one sensitive field.',
      input: Type.Object({ name: Name }, closed),
      output: Type.Object({ value: Type.Union([Type.String({ maxLength: VALUE_CHARS }), Type.Null()]) }, closed),
      errors: ['secrets_unreadable'],
      deadlineMs: 5_000,
    }),
    list: defineCall({
      summary: 'Name the sensitive fields that have a value.',
      input: Type.Object({}, closed),
      output: Type.Object({ names: Type.Array(Name, { maxItems: NAMES }) }, closed),
      errors: [],
      deadlineMs: 5_000,
    }),
  },
});
