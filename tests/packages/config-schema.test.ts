import { describe, expect, test } from 'bun:test';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { normaliseConfigSchema } from '../../src/packages/config-schema.ts';
import { refusal } from './fixture.ts';

async function pointers(raw: unknown): Promise<string[]> {
  const error = await refusal(() => normaliseConfigSchema(raw));
  expect(error.code).toBe('manifest_invalid');
  return (error.extra.errors as Issue[]).map((issue) => issue.pointer);
}

describe('a map of fields', () => {
  test('becomes a schema that allows no other fields', () => {
    expect(
      normaliseConfigSchema({
        webhookUrl: { type: 'string', title: 'Webhook URL', required: true, format: 'uri' },
        rateLimit: { type: 'integer', default: 20, required: false },
      }),
    ).toEqual({
      type: 'object',
      properties: {
        webhookUrl: { type: 'string', title: 'Webhook URL', format: 'uri' },
        rateLimit: { type: 'integer', default: 20 },
      },
      required: ['webhookUrl'],
      additionalProperties: false,
    });
  });

  test('may have fields with the names of keywords', () => {
    const fields = {
      type: { type: 'string', required: true },
      properties: { type: 'string' },
      required: { type: 'boolean' },
    };
    const schema = normaliseConfigSchema(fields);
    expect(Object.keys(schema.properties)).toEqual(['type', 'properties', 'required']);
    expect(schema.required).toEqual(['type']);
  });

  test('is normalised at every level', () => {
    const schema = normaliseConfigSchema({
      smtp: { type: 'object', properties: { host: { type: 'string', required: true } } },
      rules: { type: 'array', items: { type: 'object', properties: { on: { type: 'string', required: true } } } },
    });
    expect(schema.properties).toEqual({
      smtp: { type: 'object', properties: { host: { type: 'string' } }, required: ['host'] },
      rules: { type: 'array', items: { type: 'object', properties: { on: { type: 'string' } }, required: ['on'] } },
    });
  });

  test('an empty map allows nothing; none at all allows anything', () => {
    expect(normaliseConfigSchema({})).toEqual({ type: 'object', properties: {}, additionalProperties: false });
    expect(normaliseConfigSchema(undefined)).toEqual({ type: 'object', properties: {} });
  });
});

describe('a JSON Schema', () => {
  test('stays as it is', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { apiKey: { type: 'string', sensitive: true }, mode: { enum: ['a', 'b'] } },
      required: ['apiKey'],
      $defs: { x: { type: 'string' } },
    } as const;
    expect(normaliseConfigSchema(schema)).toEqual(schema);
  });

  test('may say required both ways', () => {
    const schema = normaliseConfigSchema({
      type: 'object',
      properties: { a: { type: 'string', required: true }, b: {} },
      required: ['b'],
    });
    expect(schema.required?.toSorted()).toEqual(['a', 'b']);
    expect(schema.properties.a).toEqual({ type: 'string' });
  });

  test('without its type, or with a reference', () => {
    expect(normaliseConfigSchema({ properties: { a: { type: 'string' } } }).type).toBe('object');
    expect(normaliseConfigSchema({ type: 'object', $ref: '#/$defs/x', $defs: { x: {} } })).toEqual({
      type: 'object',
      properties: {},
      $ref: '#/$defs/x',
      $defs: { x: {} },
    });
  });
});

describe('what is refused', () => {
  test.each([
    ['a list', [], ['/configSchema']],
    ['null', null, ['/configSchema']],
    ['another type', { type: 'string' }, ['/configSchema/type']],
    ['a type of a field', { a: { type: 'strng' } }, ['/configSchema/a/type']],
    ['a field that is none', { a: 'string' }, ['/configSchema/a']],
    ['a field of a schema', { type: 'object', properties: { a: 1 } }, ['/configSchema/properties/a']],
    ['an empty enum', { a: { enum: [] } }, ['/configSchema/a/enum']],
    ['required of another kind', { a: { type: 'string', required: 'yes' } }, ['/configSchema/a/required']],
    [
      'a reference to elsewhere',
      {
        type: 'object',
        properties: { a: { $ref: 'https://evil.example/x' }, b: { anyOf: [{ $ref: 'file:///etc/passwd' }] } },
      },
      ['/configSchema/properties/a/$ref', '/configSchema/properties/b/anyOf/0/$ref'],
    ],
    ['escapes in pointers', { 'a/b~c': { type: 'x' } }, ['/configSchema/a~1b~0c/type']],
  ])('%s', async (_what, raw, expected) => {
    expect(await pointers(raw)).toEqual(expected);
  });

  test('too many fields, too many levels', async () => {
    expect(await pointers(Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`f${i}`, {}])))).toEqual([
      '/configSchema',
    ]);
    let nested: object = { type: 'string' };
    for (let i = 0; i < 9; i += 1) nested = { type: 'object', properties: { a: nested } };
    expect((await pointers({ a: nested })).length).toBe(1);
  });

  test('__proto__ as a field stays a field', () => {
    const schema = normaliseConfigSchema(JSON.parse('{"__proto__":{"type":"string"}}'));
    expect(Object.keys(schema.properties)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(schema.properties)).toBe(Object.prototype);
  });
});
