import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';

/** Limits of what one endpoint may say of itself: data, with the reason beside each number. */
export const API_LIMITS = {
  /** Characters of a path: a URL is at most a few thousand, a route far less. */
  pathLength: 256,
  /** Bytes of a validation schema; larger ones cost the core more to compile than the check saves. */
  schemaBytes: 65_536,
  /** Routes a plugin may register; the largest known plugin has about 40. */
  routes: 500,
} as const;

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'ALL'] as const;

const JsonSchema = Type.Record(Type.String({ maxLength: 100 }), Type.Unknown());

export const apiContract = defineRoom({
  name: 'api',
  summary: 'HTTP endpoints under the prefix of the plugin.',
  permissions: [],
  calls: {
    register: defineCall({
      summary: 'Register an endpoint.',
      input: Type.Object(
        {
          handler: Type.Integer({ minimum: 1, maximum: 60_000 }),
          method: Type.Union(METHODS.map((method) => Type.Literal(method))),
          path: Type.String({ pattern: '^/[^?#\\s\\\\\\u0000-\\u001f\\u007f]*$', maxLength: API_LIMITS.pathLength }),
          auth: Type.Union([Type.Literal('public'), Type.Literal('user'), Type.Literal('admin')]),
          permissions: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 20 }),
          rateLimit: Type.Union([
            Type.Object(
              {
                max: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
                windowMs: Type.Integer({ minimum: 1_000, maximum: 86_400_000 }),
              },
              { additionalProperties: false },
            ),
            Type.Null(),
          ]),
          validation: Type.Union([
            Type.Object(
              { body: Type.Optional(JsonSchema), query: Type.Optional(JsonSchema), params: Type.Optional(JsonSchema) },
              { additionalProperties: false },
            ),
            Type.Null(),
          ]),
          summary: Type.Union([Type.String({ maxLength: 300 }), Type.Null()]),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
    }),
    unregister: defineCall({
      summary: 'Take an endpoint away.',
      input: Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      output: Type.Object({}, { additionalProperties: false }),
      errors: [],
      deadlineMs: 5_000,
      registers: true,
      oneway: true,
    }),
  },
});
