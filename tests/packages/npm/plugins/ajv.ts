import { definePlugin } from '@streamspace/sdk';
import { Ajv, type JSONSchemaType } from 'ajv';

interface Booking {
  readonly room: string;
  readonly seats: number;
  readonly note?: string;
}

const schema: JSONSchemaType<Booking> = {
  type: 'object',
  required: ['room', 'seats'],
  additionalProperties: false,
  properties: {
    room: { type: 'string', pattern: '^[A-Z]\\d+$' },
    seats: { type: 'integer', minimum: 1, maximum: 20, default: 4 },
    note: { type: 'string', nullable: true, maxLength: 10 },
  },
};

const ajv = new Ajv({ allErrors: true, useDefaults: true, coerceTypes: true });
ajv.addFormat('even', { type: 'number', validate: (value: number) => value % 2 === 0 });
const check = ajv.compile(schema);
const tree = ajv.compile({
  $id: 'tree',
  type: 'object',
  required: ['value'],
  properties: { value: { type: 'number', format: 'even' }, children: { type: 'array', items: { $ref: '#' } } },
});

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/booking',
      async (request) => {
        const value: unknown = await request.json();
        if (check(value)) return { value };
        return { errors: check.errors?.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`) };
      },
      { auth: 'public' },
    );
    api.post(
      '/tree',
      async (request) => ({
        valid: tree(await request.json()),
        errors: tree.errors?.map(({ instancePath }) => instancePath) ?? [],
      }),
      {
        auth: 'public',
      },
    );
  },
});
