import { describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { compileSchema } from '../../src/schema/check.ts';
import { SCHEMA_LIMITS } from '../../src/schema/limits.ts';

const nest = (levels: number): unknown => (levels === 0 ? 1 : { a: nest(levels - 1) });

/** The issues that a schema is refused with. */
function refused(schema: unknown): { pointer: string; message: string }[] {
  try {
    compileSchema(schema);
  } catch (error) {
    if (error instanceof CodedError) return error.extra.errors as { pointer: string; message: string }[];
    throw error;
  }
  throw new Error('the schema was accepted');
}

describe('a check', () => {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'https://example.com/form.json',
    type: 'object',
    required: ['name', 'a/b~c'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 2, title: 'Name', 'ui:widget': 'text', format: 'made-up' },
      'a/b~c': { enum: ['x', 'y'] },
      port: { type: 'integer', minimum: 1, default: 8080 },
      tags: { type: 'array', items: { type: 'string' }, uniqueItems: true },
      nested: { type: 'object', default: {}, properties: { deep: { type: 'boolean', default: true } } },
    },
  };

  test('names every issue by the pointer of what is wrong or missing', () => {
    const { check } = compileSchema(schema);
    expect(check({ name: 'ok', 'a/b~c': 'x' })).toEqual([]);
    expect(check({ name: 'x', port: 0.5, other: 1, tags: ['a', 2, 'a'] })).toEqual([
      { pointer: '/a~1b~0c', message: 'is required' },
      { pointer: '/other', message: 'is not a known field' },
      { pointer: '/name', message: 'must NOT have fewer than 2 characters' },
      { pointer: '/port', message: 'must be integer' },
      { pointer: '/port', message: 'must be >= 1' },
      { pointer: '/tags/1', message: 'must be string' },
      { pointer: '/tags', message: 'must not have equal items' },
    ]);
    expect(check({ name: 'ok', 'a/b~c': 'secret-looking' })).toEqual([
      { pointer: '/a~1b~0c', message: 'must be one of "x", "y"' },
    ]);
  });

  test('leaves the value alone; fill and coerce work on copies', () => {
    const form = compileSchema(schema);
    const given = Object.freeze({ name: 'ok', 'a/b~c': 'x' });
    expect(form.check(given)).toEqual([]);
    const filled = form.fill(given);
    expect(filled.issues).toEqual([]);
    expect(filled.value).toEqual({ ...given, port: 8080, nested: { deep: true } });
    const again = form.fill(given).value as { nested: object };
    expect(again.nested).not.toBe((filled.value as { nested: object }).nested);
  });

  test('coerce takes the texts of a query', () => {
    const query = compileSchema({
      type: 'object',
      properties: {
        page: { type: 'integer', default: 1 },
        full: { type: 'boolean' },
        tag: { type: 'array', items: { type: 'string' } },
      },
    });
    expect(query.coerce({ full: 'true', tag: 'one' })).toEqual({
      value: { page: 1, full: true, tag: ['one'] },
      issues: [],
    });
    expect(query.coerce({ page: '2', tag: ['a', 'b'] }).value).toEqual({ page: 2, tag: ['a', 'b'] });
    expect(query.coerce({ page: 'two' }).issues).toEqual([{ pointer: '/page', message: 'must be integer' }]);
    expect(query.check({ page: '2' })).toEqual([{ pointer: '/page', message: 'must be integer' }]);
  });

  test('uniqueItems compares by value, in any order of keys', () => {
    const { check } = compileSchema({ uniqueItems: true });
    expect(check([1, '1', true, null, [1], { a: 1, b: 2 }, { b: 1, a: 2 }])).toEqual([]);
    expect(
      check([
        { a: 1, b: [{ c: 1, d: 2 }] },
        { b: [{ d: 2, c: 1 }], a: 1 },
      ]),
    ).toHaveLength(1);
    expect(
      check([
        { 'a,b': 'c', a: 'b,c' },
        { a: 'b,c', 'a,b': 'c' },
      ]),
    ).toHaveLength(1);
    expect(compileSchema({ uniqueItems: false }).check([1, 1])).toEqual([]);
  });

  test('2020-12 when the schema says so', () => {
    const items = { prefixItems: [{ type: 'string' }], items: { type: 'number' } };
    const { check } = compileSchema({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...items });
    expect(check(['a', 'b'])).toEqual([{ pointer: '/1', message: 'must be number' }]);
  });

  test('references within the schema', () => {
    const { check } = compileSchema({
      definitions: { 'a/b': { type: 'string' } },
      properties: { x: { $ref: '#/definitions/a~1b' }, y: { $ref: '#/properties/x' } },
    });
    expect(check({ y: 1 })).toEqual([{ pointer: '/y', message: 'must be string' }]);
  });

  test('true and false are schemas', () => {
    expect(compileSchema(true).check({})).toEqual([]);
    expect(compileSchema(false).check({})).toHaveLength(1);
  });
});

describe('refused schemas', () => {
  test.each<[string, unknown, string]>([
    ['no schema', 'text', ''],
    ['an array', [], ''],
    ['a wrong keyword', { properties: { a: { type: 'strong' } } }, '/properties/a/type'],
    ['required as a flag', { properties: { a: { required: true } } }, '/properties/a/required'],
    ['a remote reference', { $ref: 'https://example.com/x.json' }, '/$ref'],
    ['a file reference', { items: { $ref: 'file:///etc/passwd' } }, '/items/$ref'],
    ['a reference to nowhere', { items: { $ref: '#/definitions/none' } }, '/items/$ref'],
    ['a reference through the prototype', { items: { $ref: '#/constructor/name' } }, '/items/$ref'],
    ['a schema in a circle', { properties: { child: { $ref: '#' } } }, '/properties/child/$ref'],
    [
      'a longer circle',
      { definitions: { a: { allOf: [{ $ref: '#/definitions/b' }] }, b: { not: { $ref: '#/definitions/a' } } } },
      '/definitions/a/allOf/0/$ref/not/$ref',
    ],
    ['an asynchronous schema', { $async: true }, '/$async'],
    ['a dynamic reference', { $dynamicRef: '#x' }, '/$dynamicRef'],
    ['an id within', { properties: { a: { $id: 'http://x' } } }, '/properties/a/$id'],
    ['look-ahead', { properties: { a: { pattern: '^(?=a)' } } }, '/properties/a/pattern'],
    ['a back-reference', { patternProperties: { '(a)\\1': {} } }, '/patternProperties'],
    ['a pattern that is none', { pattern: '[' }, '/pattern'],
    ['a pattern that is too large', { pattern: '(a{100}){10}(b{100}){10}(c{100}){10}' }, '/pattern'],
    ['an inherited name', { properties: { constructor: { type: 'string' } } }, '/properties'],
    ['the name __proto__', JSON.parse('{"properties": {"__proto__": {"default": 1}}}'), '/properties/__proto__'],
    ['too deep', nest(40), ''],
    ['far too deep', nest(5_000), ''],
    ['too large', { description: 'x'.repeat(70_000) }, ''],
  ])('%s', (_, schema, pointer) => {
    expect(refused(schema).map((issue) => issue.pointer)).toContain(pointer);
  });

  test('references that multiply to more than can be checked', () => {
    const definitions: Record<string, unknown> = { l0: { type: 'string' } };
    for (let level = 1; level <= 60; level += 1) {
      const below = { $ref: `#/definitions/l${level - 1}` };
      definitions[`l${level}`] = { allOf: [below, below] };
    }
    expect(refused({ definitions, $ref: '#/definitions/l60' })[0]?.message).toContain('parts with its references');
  });

  test('properties may have the names of keywords', () => {
    const names = ['$ref', '$id', '$async', 'pattern', 'required', 'properties', 'format', 'type', 'id'];
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
    const { check } = compileSchema({ type: 'object', properties });
    expect(check(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
    expect(check({ $ref: 1 })).toEqual([{ pointer: '/$ref', message: 'must be string' }]);
  });
});

describe('attacks by the value', () => {
  /** Far below what the attack takes without its defence, far above what the check takes with it. */
  const quick = (check: () => unknown): unknown => {
    const begun = performance.now();
    const result = check();
    expect(performance.now() - begun).toBeLessThan(2_000);
    return result;
  };

  test('a backtracking pattern runs in linear time', () => {
    const { check } = compileSchema({ type: 'string', pattern: '^(a+)+$' });
    expect(check('a'.repeat(100))).toEqual([]);
    expect(quick(() => check(`${'a'.repeat(50_000)}!`))).toHaveLength(1);
  });

  test('more text than the patterns may read is refused', () => {
    const { check } = compileSchema({ items: { pattern: '(a{1,300}b?){3}$' } });
    expect(quick(() => check(Array.from({ length: 200 }, () => 'a'.repeat(5_000))))).toEqual([
      { pointer: '', message: 'has too much text to be checked' },
    ]);
    // The next check has an allowance of its own.
    expect(check(['ab'])).toHaveLength(1);
    expect(check(['ababab'])).toEqual([]);
  });

  test('many long texts of a format that backtracks', () => {
    const { check } = compileSchema({ items: { format: 'uri-reference' } });
    const texts = Array.from({ length: 5_000 }, () => `mailto:${'/a'.repeat(1_000)}}`);
    expect(quick(() => check(texts))).toEqual([{ pointer: '', message: 'has too much text to be checked' }]);
    expect(compileSchema({ items: { format: 'uuid' } }).check(Array(50_000).fill(crypto.randomUUID()))).toEqual([]);
  });

  test('uniqueItems of many items', () => {
    const { check } = compileSchema({ uniqueItems: true });
    const items = Array.from({ length: 50_000 }, (_, i) => ({ a: { b: i } }));
    expect(quick(() => check(items))).toEqual([]);
  });

  test('many values and many rules are refused before they are checked', () => {
    const { check } = compileSchema({ items: { anyOf: Array.from({ length: 800 }, (_, i) => ({ const: i })) } });
    expect(check(Array.from({ length: 100_000 }, () => -1))[0]?.message).toContain('too many values');
  });

  test('many issues are not kept', () => {
    const { check } = compileSchema({ items: { type: 'string' } });
    expect(check(Array.from({ length: 2_000 }, () => 1))).toHaveLength(SCHEMA_LIMITS.issues);
    expect(check(Array.from({ length: 1_000_000 }, () => 1))).toHaveLength(1);
  });

  test.each([
    ['email', `${'a.'.repeat(1_000)}@`],
    ['uri', `http://${'a:'.repeat(1_000)}@`],
    ['url', `http://${'a:@'.repeat(660)}`],
    ['uri-template', `${'{a'.repeat(1_000)}`],
    ['hostname', `${'a-'.repeat(1_000)}.`],
    ['date-time', '1'.repeat(2_000)],
    ['iso-duration', `P${'1'.repeat(2_000)}`],
    ['duration', `P${'1'.repeat(2_000)}`],
    ['byte', `${'A'.repeat(2_001)}`],
    ['ipv6', `${':1'.repeat(1_000)}`],
    ['regex', `${'(a+)+'.repeat(400)}(`],
    ['json-pointer', `/~${'~'.repeat(2_000)}`],
  ])('the format %s backtracks no more than its length allows', (format, text) => {
    const { check } = compileSchema({ format });
    quick(() => check(text));
  });

  test('a text longer than a format takes does not match it', () => {
    const { check } = compileSchema({ format: 'uri' });
    expect(check(`https://example.com/${'a'.repeat(2_000)}`)).toEqual([]);
    expect(check(`https://example.com/${'a'.repeat(2_100)}`)).toHaveLength(1);
  });

  test('depth and __proto__', () => {
    const { check, fill, coerce } = compileSchema(true);
    expect(check(nest(64))).toEqual([]);
    for (const judge of [check, (value: unknown) => fill(value).issues, (value: unknown) => coerce(value).issues]) {
      expect(judge(nest(65))).toMatchObject([{ message: 'is nested too deep' }]);
      expect(judge(nest(5_000))).toHaveLength(1);
      expect(judge(JSON.parse('{"a": [{"__proto__": {"x": 1}}]}'))).toEqual([
        { pointer: '/a/0/__proto__', message: 'this name is not allowed' },
      ]);
    }
  });

  test('inherited properties are not there', () => {
    const { check, fill } = compileSchema({ required: ['toString'], additionalProperties: { type: 'number' } });
    expect(check({})).toEqual([{ pointer: '/toString', message: 'is required' }]);
    expect(fill({ constructor: 1, toString: 1 }).issues).toEqual([]);
  });
});
