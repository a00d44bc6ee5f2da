import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { STORAGE_LIMITS } from './limits.ts';

const closed = { additionalProperties: false };
const MAX_VERSION = Number.MAX_SAFE_INTEGER;

/** The bytes are counted by the broker; JSON Schema counts characters. */
const Key = Type.String({ minLength: 1, maxLength: STORAGE_LIMITS.keyBytes });
const Keys = Type.Array(Key, { minItems: 1, maxItems: STORAGE_LIMITS.keysAtOnce });
const Prefix = Type.String({ maxLength: STORAGE_LIMITS.keyBytes });
const Cursor = Type.String({ minLength: 1, maxLength: 2 * STORAGE_LIMITS.keyBytes });
const Version = Type.Integer({ minimum: 1, maximum: MAX_VERSION });
const Value = Type.Unknown({ description: `A JSON value of at most ${STORAGE_LIMITS.valueBytes} bytes` });
const Entry = Type.Object({ key: Key, value: Value, version: Version }, closed);
const Write = Type.Object(
  {
    key: Key,
    value: Value,
    ttl: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: STORAGE_LIMITS.ttlSeconds })),
    ifVersion: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_VERSION })),
  },
  closed,
);

export const storageContract = defineRoom({
  name: 'storage',
  summary: 'Keep JSON values under keys of your own.',
  permissions: [],
  // Two hundred large answers at once would take the core, and its connections to the database, from everybody else.
  atOnce: STORAGE_LIMITS.callsAtOnce,
  calls: {
    get: defineCall({
      summary: 'Read the value of a key, and its version.',
      input: Type.Object({ key: Key }, closed),
      output: Type.Object(
        { entry: Type.Union([Type.Object({ value: Value, version: Version }, closed), Type.Null()]) },
        closed,
      ),
      errors: [],
      deadlineMs: 5_000,
      atOnce: STORAGE_LIMITS.gatheredAtOnce,
    }),
    getMany: defineCall({
      summary: 'Read the values of several keys, in the order in which they were asked for.',
      input: Type.Object({ keys: Keys }, closed),
      output: Type.Object(
        {
          entries: Type.Array(Entry, { maxItems: STORAGE_LIMITS.keysAtOnce }),
          done: Type.Integer({
            minimum: 1,
            maximum: STORAGE_LIMITS.keysAtOnce,
            description: 'How many of the keys were looked at; ask again for the rest',
          }),
        },
        closed,
      ),
      errors: [],
      deadlineMs: 10_000,
    }),
    set: defineCall({
      summary: 'Write the value of a key.',
      input: Write,
      output: Type.Object({ version: Version }, closed),
      errors: ['version_conflict', 'payload_too_large'],
      deadlineMs: 10_000,
      atOnce: STORAGE_LIMITS.gatheredAtOnce,
    }),
    setMany: defineCall({
      summary: 'Write the values of several keys, all or none.',
      input: Type.Object({ entries: Type.Array(Write, { minItems: 1, maxItems: STORAGE_LIMITS.keysAtOnce }) }, closed),
      output: Type.Object({ versions: Type.Array(Version, { maxItems: STORAGE_LIMITS.keysAtOnce }) }, closed),
      errors: ['version_conflict', 'payload_too_large'],
      deadlineMs: 10_000,
    }),
    delete: defineCall({
      summary: 'Remove a key.',
      input: Type.Object({ key: Key, ifVersion: Type.Optional(Version) }, closed),
      output: Type.Object({ deleted: Type.Boolean() }, closed),
      errors: ['version_conflict'],
      deadlineMs: 10_000,
    }),
    deleteMany: defineCall({
      summary: 'Remove several keys, all at once.',
      input: Type.Object({ keys: Keys }, closed),
      output: Type.Object({ deleted: Type.Integer({ minimum: 0 }) }, closed),
      errors: [],
      deadlineMs: 10_000,
    }),
    deletePrefix: defineCall({
      summary: 'Remove the next keys that begin with a prefix.',
      input: Type.Object({ prefix: Prefix, cursor: Type.Optional(Cursor) }, closed),
      output: Type.Object({ deleted: Type.Integer({ minimum: 0 }), cursor: Type.Optional(Cursor) }, closed),
      errors: [],
      deadlineMs: 10_000,
    }),
    list: defineCall({
      summary: 'Read a page of entries in the order of their keys.',
      input: Type.Object(
        {
          prefix: Type.Optional(Prefix),
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: STORAGE_LIMITS.pageEntries })),
          values: Type.Optional(Type.Boolean()),
          reverse: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
      output: Type.Object(
        {
          entries: Type.Array(Type.Object({ key: Key, value: Type.Optional(Value), version: Version }, closed), {
            maxItems: STORAGE_LIMITS.pageEntries,
          }),
          cursor: Type.Optional(Cursor),
        },
        closed,
      ),
      errors: [],
      deadlineMs: 10_000,
    }),
    increment: defineCall({
      summary: 'Add to a number in one step.',
      input: Type.Object({ key: Key, by: Type.Number() }, closed),
      output: Type.Object({ value: Type.Number() }, closed),
      errors: [],
      deadlineMs: 10_000,
      atOnce: STORAGE_LIMITS.gatheredAtOnce,
    }),
  },
});
