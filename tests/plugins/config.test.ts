import { describe, expect, test } from 'bun:test';
import { compileConfig } from '../../src/plugins/config.ts';

const slack = {
  type: 'object',
  required: ['webhookUrl'],
  additionalProperties: false,
  properties: {
    webhookUrl: { type: 'string', format: 'uri', sensitive: true, title: 'Webhook URL' },
    channel: { type: 'string', default: '#general', pattern: '^[#@]' },
    retry: { type: 'object', default: {}, properties: { times: { type: 'integer', default: 3, maximum: 10 } } },
    smtp: {
      type: 'object',
      properties: { host: { type: 'string' }, 'pass.word': { type: 'string', format: 'password' } },
    },
    servers: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, token: { type: ['string', 'null'], writeOnly: true } },
      },
    },
  },
};
const url = 'https://hooks.slack.com/services/T/B/X';
const full = {
  webhookUrl: url,
  channel: '#ops',
  retry: { times: 1 },
  smtp: { host: 'mail', 'pass.word': 'hunter2' },
  servers: [{ name: 'a', token: 'ta' }, { name: 'b', token: null }, { name: 'c', token: '' }, { token: 'td' }],
};

describe('validate', () => {
  const rules = compileConfig(slack, 'slack');

  test('fills in defaults and leaves the input alone', () => {
    const input = Object.freeze({ webhookUrl: url });
    expect(rules.validate(input)).toEqual({
      value: { webhookUrl: url, channel: '#general', retry: { times: 3 } },
      issues: [],
    });
  });

  test('answers all issues with pointers', () => {
    const { issues } = rules.validate({ channel: 'general', retry: { times: 11 }, chanel: 1, servers: [{ token: 5 }] });
    expect(issues.map(({ pointer }) => pointer).sort()).toEqual([
      '/chanel',
      '/channel',
      '/retry/times',
      '/servers/0/token',
      '/webhookUrl',
    ]);
  });

  test('partial requires and fills in nothing, and still checks what is there', () => {
    expect(rules.validate({ channel: '#a' }, { partial: true })).toEqual({ value: { channel: '#a' }, issues: [] });
    expect(rules.validate({ channel: 1, x: 1 }, { partial: true }).issues.map(({ pointer }) => pointer)).toEqual([
      '/x',
      '/channel',
    ]);
  });

  test.each([[null], [[]], ['text'], [1], [undefined]])('%p is no configuration', (input) => {
    expect(rules.validate(input).issues).toEqual([{ pointer: '', message: 'must be object' }]);
  });

  test('refuses what the database cannot keep', () => {
    const open = compileConfig(undefined, 'open');
    expect(open.validate({ a: ['x\0'] }).issues).toMatchObject([{ pointer: '/a/0' }]);
    expect(open.validate({ a: { '\ud800': 1 } }).issues).toMatchObject([{ pointer: '/a' }]);
    expect(open.validate({ a: 'x'.repeat(70_000) }).issues[0]?.message).toContain('70008 bytes');
    expect(open.validate({ fine: [1, { b: null }] })).toEqual({ value: { fine: [1, { b: null }] }, issues: [] });
  });

  test('refuses more secrets than can be listed', () => {
    const many = compileConfig({ additionalProperties: { type: 'string', sensitive: true } }, 'many');
    const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, 'v']));
    expect(many.validate(fields(500)).issues).toEqual([]);
    expect(many.validate(fields(501)).issues[0]?.message).toContain('more than 500');
    expect(many.validate({ ['x'.repeat(513)]: 'v' }).issues[0]?.message).toContain('longer than 512');
  });
});

describe('sensitive fields', () => {
  const rules = compileConfig(slack, 'slack');
  const secrets = { webhookUrl: url, 'smtp.pass~1word': 'hunter2', 'servers.0.token': 'ta', 'servers.3.token': 'td' };

  test('are split from the rest and joined again', () => {
    const split = rules.splitSensitive(full);
    expect(split.secrets).toEqual(secrets);
    expect(split.plain).toEqual({
      channel: '#ops',
      retry: { times: 1 },
      smtp: { host: 'mail' },
      servers: [{ name: 'a' }, { name: 'b', token: null }, { name: 'c', token: '' }, {}],
    });
    expect(rules.joinSensitive(split.plain, split.secrets)).toEqual(full);
  });

  test('a secret whose place is gone, or that is no longer sensitive, is left out', () => {
    const { plain } = rules.splitSensitive({ webhookUrl: url });
    expect(
      rules.joinSensitive(plain, { ...secrets, channel: '#x', '__proto__.x': '1', 'constructor.name': 'x' }),
    ).toEqual({
      webhookUrl: url,
    });
    expect(({} as { x?: string }).x).toBeUndefined();
  });

  test('are shown as stars', () => {
    expect(rules.redact(full)).toEqual({
      ...full,
      webhookUrl: '********',
      smtp: { host: 'mail', 'pass.word': '********' },
      servers: [
        { name: 'a', token: '********' },
        { name: 'b', token: null },
        { name: 'c', token: '' },
        { token: '********' },
      ],
    });
    expect(rules.redact({ webhookUrl: 5 })).toEqual({ webhookUrl: '********' });
  });

  test('stars that come back keep what is stored', () => {
    const edited = rules.redact(full);
    edited.channel = '#new';
    expect(rules.keepRedacted(edited, full)).toEqual({ ...full, channel: '#new' });
    const changed = {
      webhookUrl: 'https://other',
      smtp: { 'pass.word': '********' },
      servers: [{ token: '********' }],
    };
    expect(rules.keepRedacted(changed, { webhookUrl: url })).toEqual({
      webhookUrl: 'https://other',
      smtp: {},
      servers: [{}],
    });
    expect(rules.keepRedacted({ channel: '********' }, full)).toEqual({ channel: '********' });
    expect(rules.keepRedacted('text', full)).toBe('text');
  });

  test('depth beside them is no matter before the value is checked', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    expect(rules.validate(rules.keepRedacted({ webhookUrl: '********', deep }, full)).issues[0]?.message).toContain(
      'deep',
    );
  });

  test('are found in every branch of a schema', () => {
    const secret = { type: 'string', sensitive: true };
    const branches = compileConfig(
      {
        definitions: { key: secret, box: { properties: { inBox: { $ref: '#/definitions/key' } } } },
        properties: { box: { $ref: '#/definitions/box' }, named: { type: 'string' }, tuple: { items: [{}, secret] } },
        patternProperties: { '^x-': secret },
        additionalProperties: { type: ['object', 'string'], additionalProperties: secret },
        if: { properties: { kind: { const: 'a' } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { properties: { inThen: secret } },
        oneOf: [{ anyOf: [{ properties: { inOneOf: secret } }] }],
        dependencies: { named: { properties: { inDependency: secret } } },
      },
      'branches',
    );
    const { secrets: found } = branches.splitSensitive({
      box: { inBox: '1' },
      named: 'plain',
      tuple: ['plain', '2'],
      'x-y': '3',
      free: { a: '4' },
      inThen: '5',
      inOneOf: '6',
      inDependency: '7',
    });
    expect(found).toEqual({
      'box.inBox': '1',
      'tuple.0': 'plain',
      'tuple.1': '2',
      'x-y': '3',
      'free.a': '4',
      inThen: '5',
      inOneOf: '6',
      inDependency: '7',
    });
  });
});

describe('refused schemas', () => {
  test.each<[string, unknown, string]>([
    ['sensitive number', { properties: { pin: { type: 'number', sensitive: true } } }, '/configSchema/properties/pin'],
    ['sensitive without type', { properties: { pin: { writeOnly: true } } }, '/configSchema/properties/pin'],
    ['sensitive object', { properties: { o: { type: 'object', sensitive: true } } }, '/configSchema/properties/o'],
    ['not an object', { type: 'string' }, '/configSchema/type'],
    ['not a schema', 'text', '/configSchema'],
    ['false', false, '/configSchema/type'],
    ['a pattern of the old kind', { properties: { a: { pattern: '(?!x)' } } }, '/configSchema/properties/a/pattern'],
    [
      'too many sensitive fields',
      {
        properties: Object.fromEntries(
          Array.from({ length: 201 }, (_, i) => [`f${i}`, { type: 'string', sensitive: true }]),
        ),
      },
      '/configSchema',
    ],
  ])('%s', (_, schema, pointer) => {
    expect(() => compileConfig(schema, 'bad')).toThrow(
      expect.objectContaining({
        code: 'manifest_invalid',
        extra: { errors: [expect.objectContaining({ pointer })] },
      }),
    );
  });
});
