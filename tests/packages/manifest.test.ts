import { describe, expect, test } from 'bun:test';
import Ajv from 'ajv';
import { version as hostVersion } from '../../package.json';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { MANIFEST_LIMITS } from '../../src/packages/limits.ts';
import { type Manifest, manifestJsonSchema, parseManifest } from '../../src/packages/manifest.ts';
import { packageOf, refusal } from './fixture.ts';

const PATTERNS = [
  'network(?::[a-z.*]+)?',
  'network:tcp:[a-z.*]+:[0-9]+',
  'events:subscribe:.+',
  'files',
  'database',
  'services:provide:[a-z-]+',
];
const BASE = { name: 'greeter', version: '1.0.0' };

function parse(manifest: unknown, files: Record<string, string> = { 'index.ts': '' }): Manifest {
  const json = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  return parseManifest(packageOf({ 'manifest.json': json, ...files }), { permissionPatterns: PATTERNS });
}

async function issues(manifest: unknown, files?: Record<string, string>): Promise<Issue[]> {
  const error = await refusal(() => parse(manifest, files));
  expect(error.code).toBe('manifest_invalid');
  return error.extra.errors as Issue[];
}

const FULL = {
  $schema: 'http://localhost:3000/api/schemas/manifest.json',
  ...BASE,
  displayName: 'Greeter',
  description: 'Greets.',
  author: 'Someone',
  license: 'MIT',
  homepage: 'https://example.com',
  repository: 'https://example.com/repo',
  icon: 'icon.svg',
  screenshots: ['screenshots/1.png', 'https://example.com/2.png'],
  type: 'integration',
  category: 'notifications',
  tags: ['a', 'b'],
  engines: { streamspace: `>=${hostVersion}` },
  entrypoints: { main: './src/main.ts', ui: 'ui/index.tsx' },
  configSchema: { url: { type: 'string', required: true } },
  defaultConfig: { url: 'x' },
  permissions: ['read:sessions', 'network:*.example.com', 'overrides'],
  optionalPermissions: ['files', 'sessions:read', 'network:tcp:smtp.example.com:587'],
  dependencies: { 'streamspace-billing': '^1.0.0' },
  optionalDependencies: { 'streamspace-slack': '*' },
  routePrefix: 'greet',
  overrides: ['GET /api/compliance/frameworks', '/api/compliance/policies/:id'],
  events: ['session.*', 'custom.order_placed', '*'],
  jobs: [
    { name: 'daily', cron: '@daily', timezone: 'Europe/Berlin', handler: 'cleanUp', overlap: 'skip', catchUp: true },
  ],
  ui: {
    pages: [{ title: 'Page', path: '/greet', component: 'Page' }],
    widgets: [{ title: 'W', width: 'half' }],
    menu: [{ title: 'M', position: 'side', order: 1 }],
  },
  services: { provides: ['storage-backend'], needs: ['auth-provider'] },
  limits: { memoryMb: 64, cpuMsPerCall: 100, wallMsPerCall: 5_000 },
};
const FULL_FILES = { 'src/main.ts': '', 'ui/index.tsx': '' };

describe('what is accepted', () => {
  test('name and version are enough', () => {
    expect(parse(BASE)).toEqual({
      ...BASE,
      displayName: 'greeter',
      description: '',
      type: 'extension',
      tags: [],
      screenshots: [],
      entrypoints: { main: 'index.ts' },
      configSchema: { type: 'object', properties: {} },
      defaultConfig: {},
      permissions: [],
      optionalPermissions: [],
      dependencies: {},
      optionalDependencies: {},
      overrides: [],
      events: [],
      jobs: [],
      limits: {},
    });
  });

  test('every field; aliases of permissions get their one spelling', () => {
    const manifest = parse(FULL, FULL_FILES);
    expect(manifest.permissions).toEqual(['sessions:read', 'network:*.example.com', 'overrides']);
    expect(manifest.optionalPermissions).toEqual(['files', 'network:tcp:smtp.example.com:587']);
    expect(manifest.entrypoints).toEqual({ main: 'src/main.ts', ui: 'ui/index.tsx' });
    expect(manifest.configSchema).toEqual({
      type: 'object',
      properties: { url: { type: 'string' } },
      required: ['url'],
      additionalProperties: false,
    });
    expect(manifest).not.toHaveProperty('$schema');
  });

  test('the result is a manifest itself, and reading it changes nothing', () => {
    const manifest = parse(FULL, FULL_FILES);
    expect(parse(manifest, FULL_FILES)).toEqual(manifest);
    expect(parse(parse(BASE))).toEqual(parse(BASE));
  });

  test('a byte order mark', () => {
    expect(parse(`\ufeff${JSON.stringify(BASE)}`).name).toBe('greeter');
  });

  test.each(['index.ts', 'index.tsx', 'index.js', 'index.mjs', 'index.cjs'])('%p is found as the entry', (entry) => {
    expect(parse(BASE, { [entry]: '' }).entrypoints.main).toBe(entry);
  });

  test.each([
    'files',
    'database',
    'sessions:read',
    'sessions:write',
    'users:read',
    'users:write',
    'templates:read',
    'templates:write',
    'infrastructure:read',
    'infrastructure:write',
    'auth:provide',
    'overrides',
    'network:tcp:*.example.com:25',
    'write:users',
  ])('the permission %p of the SPEC', (permission) => {
    expect(parse({ ...BASE, permissions: [permission] }).permissions).toHaveLength(1);
  });
});

describe('what is refused, with its place', () => {
  test('all problems of shape at once', async () => {
    const found = await issues({
      nam: 'x',
      version: 1,
      permisions: [],
      type: 'plugin',
      tags: ['a', 'a'],
      jobs: [{ name: 'a', cron: '* * * * *', foo: 1 }],
      limits: { memoryMb: 1 },
    });
    expect(found).toContainEqual({ pointer: '/nam', message: 'unknown key "nam"; did you mean "name"?' });
    expect(found).toContainEqual({
      pointer: '/permisions',
      message: 'unknown key "permisions"; did you mean "permissions"?',
    });
    expect(found).toContainEqual({
      pointer: '/jobs/0/foo',
      message: 'unknown key "foo"; known are name, cron, timezone, handler, overlap, catchUp',
    });
    expect(found).toContainEqual({ pointer: '/limits/memoryMb', message: 'must be greater or equal to 8' });
    expect(found).toContainEqual({
      pointer: '/type',
      message: 'must be one of extension, webhook, integration, system, theme',
    });
    expect(found.map((issue) => issue.pointer).sort()).toEqual([
      '/jobs/0/foo',
      '/limits/memoryMb',
      '/nam',
      '/name',
      '/permisions',
      '/tags',
      '/type',
      '/version',
    ]);
  });

  test('all problems of meaning at once', async () => {
    const found = await issues({
      ...BASE,
      version: '1.0',
      engines: { streamspace: '>=999' },
      entrypoints: { main: 'nope.ts' },
      dependencies: { 'streamspace-billing': 'newest', greeter: '*' },
      permissions: ['admin', 'netwrk'],
      overrides: ['/api/compliance/frameworks'],
      jobs: [
        { name: 'a', cron: '99 * * * *' },
        { name: 'a', cron: '@daily', timezone: 'Mars/Base' },
      ],
    });
    expect(found.map((issue) => issue.pointer).sort()).toEqual([
      '/dependencies/greeter',
      '/dependencies/streamspace-billing',
      '/engines/streamspace',
      '/entrypoints/main',
      '/jobs/0/cron',
      '/jobs/1/name',
      '/jobs/1/timezone',
      '/overrides',
      '/permissions/0',
      '/permissions/1',
      '/version',
    ]);
    expect(found).toContainEqual({
      pointer: '/permissions/1',
      message: 'unknown permission "netwrk"; did you mean "network"?',
    });
    expect(found).toContainEqual({
      pointer: '/engines/streamspace',
      message: `asks for StreamSpace >=999; this is ${hostVersion}`,
    });
  });

  test.each([
    [{ ...BASE, homepage: 'javascript:alert(1)' }, '/homepage'],
    [{ ...BASE, icon: 'data:image/svg+xml,<svg/>' }, '/icon'],
    [{ ...BASE, entrypoints: { main: '../out.ts' } }, '/entrypoints/main'],
    [{ ...BASE, entrypoints: { main: '/etc/passwd' } }, '/entrypoints/main'],
    [{ ...BASE, entrypoints: { main: 'manifest.json' } }, '/entrypoints/main'],
    [{ ...BASE, entrypoints: { ui: 'ui/no.tsx' } }, '/entrypoints/ui'],
    [{ ...BASE, routePrefix: 'catalog' }, '/routePrefix'],
    [{ ...BASE, events: ['session.**'] }, '/events/0'],
    [{ ...BASE, dependencies: { 'Not A Name': '*' } }, '/dependencies/Not A Name'],
    [{ ...BASE, permissions: Array.from({ length: 65 }, (_, i) => `network:h${i}`) }, '/permissions'],
    [{ ...BASE, permissions: ['services:provide:storage-backend'] }, '/permissions/0'],
    [{ ...BASE, displayName: 'x'.repeat(81) }, '/displayName'],
    [{ ...BASE, configSchema: { pin: { type: 'number', sensitive: true } } }, '/configSchema/properties/pin'],
    [{ ...BASE, configSchema: { a: { type: 'string', pattern: '(?=x)' } } }, '/configSchema/properties/a/pattern'],
    [
      { ...BASE, configSchema: { token: { type: 'string', sensitive: true } }, defaultConfig: { token: 'x' } },
      '/defaultConfig',
    ],
    [[], ''],
    ['null', ''],
  ])('%j', async (manifest, pointer) => {
    expect((await issues(manifest)).map((issue) => issue.pointer)).toEqual([pointer]);
  });

  test('a missing entry, a missing manifest', async () => {
    expect((await issues(BASE, {})).map((issue) => issue.pointer)).toEqual(['/entrypoints/main']);
    const error = await refusal(() => parseManifest(packageOf({ 'index.ts': '' }), { permissionPatterns: [] }));
    expect([error.code, error.message]).toEqual([
      'manifest_invalid',
      'manifest.json: is missing: it belongs into the root of the package',
    ]);
  });

  test.each([
    ['not JSON', '{"name": "x",}'],
    ['too deep', `{"defaultConfig":${'['.repeat(40)}${']'.repeat(40)}}`],
    ['far too deep', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['too large', JSON.stringify({ ...BASE, description: 'x'.repeat(MANIFEST_LIMITS.bytes) })],
    ['__proto__', '{"name":"greeter","version":"1.0.0","__proto__":{"polluted":true}}'],
    ['__proto__ deep down', '{"name":"greeter","version":"1.0.0","defaultConfig":{"a":[{"__proto__":1}]}}'],
  ])('%s', async (_what, json) => {
    expect((await issues(json)).length).toBe(1);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('bytes that are not UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const error = await refusal(() => parseManifest(packageOf({ 'manifest.json': bytes }), { permissionPatterns: [] }));
    expect(error.message).toContain('is not UTF-8');
  });

  test('no more problems than anybody reads', async () => {
    const keys = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, 1]));
    expect((await issues({ ...BASE, ...keys })).length).toBe(MANIFEST_LIMITS.issues);
  });
});

describe('the published schema', () => {
  const ajv = new Ajv({ strict: false });
  const validate = ajv.compile(manifestJsonSchema(PATTERNS));

  test('agrees with the parser on manifests that are right', () => {
    for (const manifest of [BASE, FULL, parse(FULL, FULL_FILES)]) {
      expect([validate(manifest), validate.errors]).toEqual([true, null]);
    }
  });

  test.each([
    { ...BASE, nam: 1 },
    { ...BASE, type: 'x' },
    { ...BASE, permissions: ['netwrk'] },
    { ...BASE, name: 'X' },
    { name: 'greeter' },
  ])('refuses %j', (manifest) => {
    expect(validate(manifest)).toBe(false);
  });

  test('describes every field and carries nothing of ours', () => {
    const schema = manifestJsonSchema(PATTERNS) as {
      $id: string;
      title: string;
      properties: Record<string, { description?: string }>;
    };
    expect([schema.$id, schema.title]).toEqual(['/api/schemas/manifest.json', 'StreamSpace plugin manifest']);
    expect(Object.keys(schema.properties).sort()).toEqual(Object.keys(FULL).sort());
    for (const property of Object.values(schema.properties)) expect(property.description).toBeString();
    expect(JSON.stringify(schema)).not.toContain('"hint"');
  });
});
