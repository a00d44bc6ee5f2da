import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';

const CALL = 'plugins:call:';
const Name = Type.String({ pattern: '^[a-z][a-z0-9-]{2,62}$' });
const Method = Type.String({ pattern: '^[A-Za-z_$][A-Za-z0-9_$]{0,99}$' });

export const pluginsContract = defineRoom({
  name: 'plugins',
  summary: 'Ask for other plugins, call what they expose, expose methods of your own.',
  permissions: [
    {
      pattern: `${CALL}([a-z][a-z0-9-]{2,62}|\\*)`,
      example: 'plugins:call:streamspace-billing',
      describe: (permission) => {
        const name = permission.slice(CALL.length);
        return name === '*' ? 'Call what any other plugin exposes' : `Call what the plugin ${name} exposes`;
      },
    },
  ],
  allows: (granted, needed) => granted === needed || (granted === `${CALL}*` && needed.startsWith(CALL)),
  calls: {
    get: defineCall({
      summary: 'What is known of an installed plugin.',
      input: Type.Object({ name: Name }, { additionalProperties: false }),
      output: Type.Union([
        Type.Object(
          {
            name: Name,
            version: Type.String({ maxLength: 256 }),
            enabled: Type.Boolean(),
            methods: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 200 }),
          },
          { additionalProperties: false },
        ),
        Type.Null(),
      ]),
      errors: [],
      deadlineMs: 5_000,
    }),
    call: defineCall({
      summary: 'Call a method that another plugin exposes.',
      input: Type.Object(
        { name: Name, method: Method, args: Type.Array(Type.Unknown(), { maxItems: 16 }) },
        { additionalProperties: false },
      ),
      output: Type.Unknown({ description: 'What the method answered: JSON' }),
      errors: [
        'method_not_exposed',
        'capability_off',
        'plugin_not_found',
        'plugin_disabled',
        'plugin_unavailable',
        'plugin_quarantined',
        'plugin_error',
        'plugin_deadline',
        'too_deep',
      ],
      deadlineMs: 30_000,
      needs: ({ name }) => `${CALL}${name}`,
    }),
    expose: defineCall({
      summary: 'Let other plugins call a method.',
      input: Type.Object(
        { method: Method, handler: Type.Integer({ minimum: 1, maximum: 60_000 }) },
        { additionalProperties: false },
      ),
      output: Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
    }),
  },
});
