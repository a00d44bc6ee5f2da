import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { isService, SERVICES } from './kinds.ts';
import { SERVICE_LIMITS } from './limits.ts';

const PROVIDE = 'services:provide:';
const Name = Type.String({ maxLength: 63, pattern: '^[a-z][a-z0-9-]{1,62}$' });
const Method = Type.String({ maxLength: 100, pattern: '^[A-Za-z_$][A-Za-z0-9_$]{0,99}$' });

export const servicesContract = defineRoom({
  name: 'services',
  summary: 'Provide a service to the platform, such as the storage behind `files`.',
  permissions: [
    {
      pattern: `${PROVIDE}(${Object.keys(SERVICES).join('|')})`,
      example: `${PROVIDE}storage-backend`,
      describe: (permission) => {
        const name = permission.slice(PROVIDE.length);
        return isService(name) ? SERVICES[name].consent : `Provide the service ${name}`;
      },
    },
  ],
  calls: {
    provide: defineCall({
      summary: 'Let the platform call these methods when the operator has chosen this plugin.',
      input: Type.Object(
        {
          service: Name,
          methods: Type.Array(Method, { maxItems: SERVICE_LIMITS.methods }),
          handler: Type.Integer({ minimum: 1, maximum: 60_000 }),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
      needs: ({ service }) => `${PROVIDE}${service}`,
    }),
  },
});
