import { type TInteger, type TOptional, Type } from '@sinclair/typebox';
import { HOST_CALL_LIMITS, type LimitName, type LimitSpec, PLUGIN_LIMITS } from '../host/limits.ts';

const field = ({ least, about }: LimitSpec): TOptional<TInteger> =>
  Type.Optional(Type.Integer({ minimum: least, maximum: Number.MAX_SAFE_INTEGER, description: about }));

const fields = Object.fromEntries(Object.entries(PLUGIN_LIMITS).map(([name, spec]) => [name, field(spec)])) as Record<
  LimitName,
  TOptional<TInteger>
>;

/** Limits as a manifest asks for them, an admin sets them, and an operator caps them. */
export const limitsSchema = Type.Object(
  {
    ...fields,
    hostCallsPerMinute: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[a-z]{2,32}$' }),
        Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
        {
          additionalProperties: false,
          maxProperties: 32,
          description: `Calls into the core in a minute by capability; \`default\` for the rest (${Object.keys(HOST_CALL_LIMITS).join(', ')} have their own ceiling)`,
        },
      ),
    ),
  },
  { additionalProperties: false, description: "What it asks for; the admin's ceiling wins" },
);
