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
    expect(rules.keepRedacted(edited, full)).toEqual({ value: { ...full, channel: '#new' }, issues: [] });
    const changed = {
      webhookUrl: 'https://other',
      smtp: { 'pass.word': '********' },
      servers: [{ token: '********' }],
    };
    expect(rules.keepRedacted(changed, { webhookUrl: url })).toEqual({
      value: { webhookUrl: 'https://other', smtp: {}, servers: [{}] },
      issues: [],
    });
    expect(rules.keepRedacted({ channel: '********' }, full)).toEqual({ value: { channel: '********' }, issues: [] });
    expect(rules.keepRedacted('text', full)).toEqual({ value: 'text', issues: [] });
  });

  describe('stars in a list stay with their item', () => {
    const server = (name: string, token = '********') => ({ name, token });
    const stored = { servers: [server('a', 'token a'), server('b', 'token b'), server('c', 'token c')] };
    const [a, b, c] = stored.servers;

    test.each<[string, unknown[], unknown[]]>([
      ['the first one goes', [server('b'), server('c')], [b, c]],
      ['they change places', [server('c'), server('a'), server('b')], [c, a, b]],
      ['one comes', [server('new', 'new'), server('a'), server('b'), server('c')], [server('new', 'new'), a, b, c]],
      ['one is changed', [server('a'), server('B'), server('c')], [a, server('B', 'token b'), c]],
      ['one is changed and another one goes', [server('a'), server('B')], [a, '/servers/1']],
      [
        'one is changed and another one comes',
        [server('A'), server('b'), server('c'), server('d', 'x')],
        [server('A', 'token a'), b, c, server('d', 'x')],
      ],
      [
        'all are changed',
        [server('A'), server('B'), server('C')],
        [server('A', 'token a'), server('B', 'token b'), server('C', 'token c')],
      ],
      ['one is entered anew', [server('a'), server('b', 'new'), server('c')], [a, server('b', 'new'), c]],
    ])('%s', (_, servers, kept) => {
      const { value, issues } = rules.keepRedacted({ servers }, stored);
      const lost = kept.filter((item) => typeof item === 'string');
      expect(issues.map(({ pointer }) => pointer)).toEqual(lost as string[]);
      if (lost.length === 0) expect(value).toEqual({ servers: kept });
    });

    test('of items that look alike none is guessed', () => {
      const list = compileConfig(
        { properties: { tokens: { type: 'array', items: { type: 'string', sensitive: true } } } },
        'l',
      );
      const tokens = { tokens: ['one', 'two', 'three'] };
      const mask = '********';
      expect(list.keepRedacted({ tokens: [mask, mask, mask] }, tokens).value).toEqual(tokens);
      expect(list.keepRedacted({ tokens: [mask, mask, mask, 'four'] }, tokens).value).toEqual({
        tokens: [...tokens.tokens, 'four'],
      });
      expect(list.keepRedacted({ tokens: ['new', mask, mask] }, tokens).value).toEqual({
        tokens: ['new', 'two', 'three'],
      });
      expect(list.keepRedacted({ tokens: [mask, mask] }, tokens).issues.map(({ pointer }) => pointer)).toEqual([
        '/tokens/0',
        '/tokens/1',
      ]);
    });
  });

  test('depth beside them is no matter before the value is checked', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    const { value } = rules.keepRedacted(
      { webhookUrl: '********', deep, servers: [{ token: '********', deep }] },
      full,
    );
    expect(rules.validate(value).issues[0]?.message).toContain('deep');
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
      'tuple.1': '2',
      'x-y': '3',
      'free.a': '4',
      inThen: '5',
      inOneOf: '6',
      inDependency: '7',
    });
  });
});

describe('what stands beside sensitive fields', () => {
  test('an empty default, an example, and null are no secrets', () => {
    const rules = compileConfig(
      {
        definitions: { unused: { type: 'string', sensitive: true, default: 'x' } },
        properties: {
          a: { type: 'string', sensitive: true, default: '', examples: ['xoxb-...'] },
          b: { oneOf: [{ type: 'string', sensitive: true }, { type: 'null' }, { type: 'string', pattern: '^env:' }] },
        },
      },
      'fine',
    );
    expect(rules.splitSensitive({ a: 'x', b: 'env:X' }).secrets).toEqual({ a: 'x', b: 'env:X' });
    expect(rules.validate({ b: null }).issues).toEqual([]);
  });

  test('what the schema lets through and is no text is refused, for it would stand in the clear', () => {
    const rules = compileConfig(
      {
        properties: {
          kind: {},
          list: { items: [{ type: 'integer' }, { type: 'string', sensitive: true }] },
        },
        if: { properties: { kind: { const: 'a' } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { properties: { key: { type: 'string', sensitive: true } } },
      },
      'odd',
    );
    expect(rules.validate({ kind: 'b', key: 12345678 }).issues).toEqual([
      { pointer: '/key', message: 'must be text: the field is sensitive' },
    ]);
    expect(rules.validate({ kind: 'b', key: 'x', list: [1, 'x'] }).issues).toEqual([]);
  });
});

describe('refused schemas', () => {
  test.each<[string, unknown, string]>([
    ['sensitive number', { properties: { pin: { type: 'number', sensitive: true } } }, '/configSchema/properties/pin'],
    ['sensitive without type', { properties: { pin: { writeOnly: true } } }, '/configSchema/properties/pin'],
    ['sensitive object', { properties: { o: { type: 'object', sensitive: true } } }, '/configSchema/properties/o'],
    [
      'a mark that is no mark',
      { properties: { a: { type: 'string', sensitive: 'true' } } },
      '/configSchema/properties/a/sensitive',
    ],
    [
      'another form of a sensitive field',
      { properties: { a: { oneOf: [{ type: 'string', sensitive: true }, { type: 'integer' }] } } },
      '/configSchema/properties/a/oneOf/1',
    ],
    [
      'the same through a reference',
      {
        definitions: { key: { type: 'string', format: 'password' }, set: { type: 'object' } },
        properties: { a: { anyOf: [{ $ref: '#/definitions/set' }, { $ref: '#/definitions/key' }] } },
      },
      '/configSchema/properties/a/anyOf/0',
    ],
    [
      'a default',
      { properties: { a: { type: 'string', sensitive: true, default: 'x' } } },
      '/configSchema/properties/a/default',
    ],
    [
      'a default around it',
      {
        properties: { o: { default: { a: ['x'] }, properties: { a: { items: { type: 'string', sensitive: true } } } } },
      },
      '/configSchema/properties/o/default',
    ],
    [
      'one of a few',
      { properties: { a: { type: 'string', sensitive: true, enum: ['', 'x'] } } },
      '/configSchema/properties/a/enum',
    ],
    ['sensitive names', { propertyNames: { type: 'string', sensitive: true } }, '/configSchema/propertyNames'],
    [
      'a mark where no field is',
      { properties: { a: { type: 'string', 'x-form': { type: 'string', sensitive: true } } } },
      '/configSchema/properties/a/x-form',
    ],
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
