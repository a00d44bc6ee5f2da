import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import type { LogLine } from '../kit/log-lines.ts';
import { install, tempFolder, tryInstall, writePlugin } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Configuration and secrets of a plugin, from the install to the guest and back to the API.

setDefaultTimeout(60_000);

const FIRST = 'first-secret-value-1';
const SECOND = 'second-secret-value-2';
let core: RunningCore;

let folder: Awaited<ReturnType<typeof tempFolder>>;

beforeAll(async () => {
  folder = await tempFolder();
  core = await startCore({ pluginDirs: [folder.path] });
});
afterAll(async () => {
  await core?.stop();
  await folder?.[Symbol.asyncDispose]();
});

function mailer(version: string, extra = ''): Record<string, unknown> {
  return {
    manifest: {
      name: 'mailer',
      version,
      configSchema: {
        type: 'object',
        required: ['host', 'password'],
        properties: {
          host: { type: 'string', minLength: 1 },
          port: { type: 'integer', minimum: 1, maximum: 65535, default: 25 },
          password: { type: 'string', sensitive: true },
        },
      },
    },
    'index.ts': `
      import { definePlugin } from '@streamspace/sdk';
      let changes = 0;
      export default definePlugin({
        onLoad({ api, config, secrets, log }) {
          ${extra}
          const open = { auth: 'public' } as const;
          api.get('/config', async () => ({ config, password: await secrets.get('password'), changes }), open);
          api.get('/leak', async () => {
            const password = await secrets.get('password');
            log.info('the password is ' + password, { password, nested: [{ password }] });
            console.error('again', password);
            throw new Error('failed with ' + password);
          }, open);
        },
        onConfigChange(config) {
          changes += 1;
          if (config.host === 'bad.example.com') throw new Error('cannot use this host');
        },
      });`,
  };
}

const guest = async () => (await core.api('GET', '/api/plugins/mailer/config', { token: null })).body;
const patch = (body: object) => core.api('PATCH', '/api/plugins/mailer', { body });

test('an install with a config that does not fit changes nothing, and says where it is wrong', async () => {
  const missing = await tryInstall(core, mailer('1.0.0'));
  expect(missing).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  expect(missing.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/config/host',
    '/config/password',
  ]);
  const wrong = await tryInstall(core, mailer('1.0.0'), { config: { host: '', port: 'x', password: FIRST } });
  expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/config/host',
    '/config/port',
  ]);
  expect(JSON.stringify(wrong.body)).not.toContain(FIRST);
  expect((await core.api('GET', '/api/plugins/mailer')).status).toBe(404);
});

test('defaults are filled in; a sensitive value reaches the guest as a secret and nobody else', async () => {
  const config = { host: 'mail.example.com', password: FIRST };
  const installed = await install(core, mailer('1.0.0'), { config });
  expect(installed.config).toEqual({ host: 'mail.example.com', port: 25, password: '********' });
  expect(await guest()).toEqual({ config: { host: 'mail.example.com', port: 25 }, password: FIRST, changes: 0 });
  expect(JSON.stringify((await core.api('GET', '/api/plugins')).body)).not.toContain(FIRST);
});

test('a secret is redacted from the logs, whatever the plugin does', async () => {
  const { body } = await core.api('GET', '/api/plugins/mailer/leak', { token: null });
  expect(body.code).toBe('plugin_error');
  const thrown = await core.logged('mailer', body.errorId);
  const said = await core.logged('mailer', 'the password is');
  const console = await core.logged('mailer', 'again');
  for (const line of [thrown, said, console]) expect(line).not.toContain(FIRST);
  expect(said).toContain('********');
  const inCore = (line: LogLine) => line.plugin === 'mailer' && JSON.stringify(line).includes(body.errorId);
  await core.line(inCore, 'it is in the log of the core');
  expect(JSON.stringify(core.lines)).not.toContain(FIRST);
});

test('a change is live at once, without a new isolate; the mask means what was there', async () => {
  const changed = await patch({ config: { host: 'new.example.com', password: '********' } });
  expect(changed).toMatchObject({ status: 200, body: { config: { host: 'new.example.com', password: '********' } } });
  expect(await guest()).toEqual({ config: { host: 'new.example.com', port: 25 }, password: FIRST, changes: 1 });
});

test('a change that does not fit is 422 with its pointers, and changes nothing', async () => {
  const refused = await patch({ config: { host: 'x', port: 70_000, password: SECOND } });
  expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '/config/port' }] } });
  expect(await guest()).toMatchObject({ config: { host: 'new.example.com' }, password: FIRST, changes: 1 });
});

test('an onConfigChange that throws is in the log; the config stays', async () => {
  expect((await patch({ config: { host: 'bad.example.com', password: '********' } })).status).toBe(200);
  expect(await core.logged('mailer', 'cannot use this host')).toContain('index.ts');
  expect(await guest()).toMatchObject({ config: { host: 'bad.example.com' }, changes: 2 });
});

describe('an upgrade', () => {
  test('keeps config and secrets', async () => {
    await install(core, mailer('1.1.0'));
    expect(await guest()).toEqual({ config: { host: 'bad.example.com', port: 25 }, password: FIRST, changes: 0 });
  });

  test('that fails leaves config and secrets as they were, and the secrets redacted', async () => {
    const config = { host: 'other.example.com', password: SECOND };
    const failed = await tryInstall(core, mailer('1.2.0', `throw new Error('not today');`), { config });
    expect(failed).toMatchObject({ status: 422, body: { code: 'plugin_load_failed' } });
    expect(await guest()).toMatchObject({ config: { host: 'bad.example.com' }, password: FIRST });
    const { body } = await core.api('GET', '/api/plugins/mailer/leak', { token: null });
    expect(await core.logged('mailer', body.errorId)).not.toContain(FIRST);
  });
});

test('a plugin that is not enabled may lack what its schema requires, until it is', async () => {
  const source = mailer('1.0.0');
  const other = { ...source, manifest: { ...(source.manifest as object), name: 'lacking' } };
  expect(await tryInstall(core, other, { enable: false })).toMatchObject({ status: 201, body: { state: 'installed' } });
  expect(await core.api('POST', '/api/plugins/lacking/enable')).toMatchObject({
    status: 422,
    body: { code: 'validation_failed' },
  });
  const change = { enabled: true, config: { host: 'mail.example.com', password: FIRST } };
  expect(await core.api('PATCH', '/api/plugins/lacking', { body: change })).toMatchObject({
    status: 200,
    body: { state: 'active', enabled: true },
  });
});

test('a field that its author marks only later is sealed with the reload', async () => {
  const write = (version: string, marks: object) =>
    writePlugin(join(folder.path, 'marked'), {
      manifest: { name: 'marked', version, configSchema: { token: { type: 'string', ...marks } } },
      'index.js': `export default {
        onLoad: async ({ api, config, secrets }) => {
          const atLoad = await secrets.get('token');
          api.get('/both', async () => ({ config, atLoad, secret: await secrets.get('token') }), { auth: 'public' });
        },
      };`,
    });
  const both = async () => (await core.api('GET', '/api/plugins/marked/both', { token: null })).body;
  const view = async () => (await core.api('GET', '/api/plugins/marked')).body;
  await write('1.0.0', {});
  await until(async () => (await view()).state === 'active' || null, 'it is there');
  await core.api('PATCH', '/api/plugins/marked', { body: { config: { token: SECOND } } });
  expect(await both()).toEqual({ config: { token: SECOND }, atLoad: null, secret: null });

  await write('1.1.0', { sensitive: true });
  await until(async () => (await view()).version === '1.1.0' || null, 'it is another version');
  expect(await both()).toEqual({ config: {}, atLoad: SECOND, secret: SECOND });
  expect((await view()).config).toEqual({ token: '********' });
});
