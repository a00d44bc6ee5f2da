import { describe, expect, test } from 'bun:test';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hosted } from './hosted.ts';
import { follow, onTerminal, streamspace } from './run.ts';

// What the commands say, and as whom they speak, against the real product.

const on = hosted();

describe('refusals are readable', () => {
  test('a configuration that does not fit: every place of it', async () => {
    const fields = { port: { type: 'integer', minimum: 1 }, host: { type: 'string' } };
    await on.makePlugin('cli-config', { configSchema: { type: 'object', properties: fields, required: ['host'] } });
    await writeFile(join(on.cwd, 'config.json'), '{"port": 0}');
    const { code, err } = await on.run('plugin', 'install', 'cli-config', '--config', 'config.json');
    expect(code).toBe(1);
    expect(err).toContain('(validation_failed)');
    expect(err).toContain('/config/port: ');
    expect(err).toContain('/config/host: ');
    const fixed = await on.run(
      'plugin',
      'install',
      'cli-config',
      '--config',
      'config.json',
      '--set',
      'port=80',
      '--set',
      'host=x',
    );
    expect(fixed.code).toBe(0);
  });

  test('a plugin that throws while it loads, with its own file and line', async () => {
    await on.makePlugin(
      'cli-throws',
      {},
      "export default {\n  onLoad() {\n    throw new Error('no such luck');\n  },\n};\n",
    );
    const { code, err } = await on.run('plugin', 'install', 'cli-throws');
    expect(code).toBe(1);
    expect(err).toContain('(plugin_load_failed)');
    expect(err).toContain('no such luck');
    expect(err).toContain('index.ts:3');
  });

  test('a plugin that is not there', async () => {
    for (const args of [['reload'], ['disable'], ['enable'], ['logs'], ['uninstall', '--yes']]) {
      const { code, err } = await on.run('plugin', ...args, 'cli-nobody');
      expect([code, err]).toEqual([1, expect.stringContaining('(plugin_not_found)')]);
    }
  });

  test('a token that is not valid', async () => {
    const wrong = { ...on.env, STREAMSPACE_TOKEN: 'wrong' };
    const { code, err } = await streamspace(['plugin', 'list'], { cwd: on.cwd, env: wrong });
    expect(code).toBe(1);
    expect(err).toContain('streamspace login');
  });
});

describe('logs', () => {
  const source = `export default {
    onLoad(ctx) {
      ctx.log.debug('a detail');
      ctx.log.warn('\\u001b[2Jcareful', { tries: 3 });
      ctx.api.get('/say', () => { ctx.log.info('said'); return {}; }, { auth: 'public' });
    },
  };\n`;

  test('shows what was logged, harmless and from a level on', async () => {
    await on.makePlugin('cli-logs', {}, source);
    await on.run('plugin', 'install', 'cli-logs');
    await on.core.logged('cli-logs', 'careful');
    const all = await on.run('plugin', 'logs', 'cli-logs');
    expect(all.out).toMatch(/^\S+Z DEBUG a detail\n\S+Z WARN {2}\\x1b\[2Jcareful tries=3\n$/);
    expect((await on.run('plugin', 'logs', 'cli-logs', '--level', 'warn')).out).not.toContain('a detail');
    const [line = ''] = (await on.run('plugin', 'logs', 'cli-logs', '--json', '-n', '1')).out.split('\n');
    expect(JSON.parse(line)).toMatchObject({ level: 'warn', fields: { tries: 3 } });
  });

  test('-f goes on until it is interrupted', async () => {
    await on.makePlugin('cli-follow', {}, source);
    await on.run('plugin', 'install', 'cli-follow');
    const logs = follow(['plugin', 'logs', '-f', 'cli-follow'], { cwd: on.cwd, env: on.env });
    await logs.until('careful');
    await fetch(`${on.core.url}/api/plugins/cli-follow/say`);
    await logs.until('INFO  said');
    expect(await logs.interrupt()).toBe(0);
  });
});

describe('login', () => {
  const file = () => join(on.cwd, '.config/streamspace/credentials.json');
  const login = (url: string, stdin: string) =>
    streamspace(['login', url, '--email', on.core.admin.email, '--password-stdin'], { cwd: on.cwd, stdin });

  test('keeps the token for its owner alone, and logout ends it', async () => {
    expect((await login(`${on.core.url}/`, `${on.core.admin.password}\n`)).code).toBe(0);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await streamspace(['plugin', 'list'], { cwd: on.cwd })).code).toBe(0);

    const { token } = JSON.parse(await readFile(file(), 'utf8')) as { token: string };
    expect((await streamspace(['logout'], { cwd: on.cwd })).code).toBe(0);
    const answer = await fetch(`${on.core.url}/api/plugins`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(401);
    expect((await streamspace(['logout'], { cwd: on.cwd })).err).toContain('Nobody is signed in');
  });

  test('a wrong password stores nothing', async () => {
    const { code, err } = await login(on.core.url, 'wrong');
    expect([code, err]).toEqual([1, expect.stringContaining('(invalid_credentials)')]);
    expect(await Bun.file(file()).exists()).toBe(false);
  });

  test('the token goes to no other host', async () => {
    await login(on.core.url, on.core.admin.password);
    const seen: (string | null)[] = [];
    const other = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        seen.push(request.headers.get('authorization'));
        return Response.json({ plugins: [] });
      },
    });
    try {
      const elsewhere = { STREAMSPACE_URL: `http://127.0.0.1:${other.port}` };
      expect((await streamspace(['plugin', 'list'], { cwd: on.cwd, env: elsewhere })).code).toBe(0);
      expect(seen).toEqual([null]);
    } finally {
      await other.stop(true);
    }
  });

  test('on a terminal asks for both, and does not show the password', async () => {
    const { email, password } = on.core.admin;
    const { code, shown } = await onTerminal(
      ['login', on.core.url],
      { cwd: on.cwd },
      { 'email: ': email, 'password: ': password },
    );
    expect(code).toBe(0);
    expect(shown).toContain(email);
    expect(shown).not.toContain(password);
  });
});

test('doctor asks a running host as well', async () => {
  const { out } = await streamspace(['doctor', on.core.url], { cwd: on.cwd, env: { PORT: '0' } });
  expect(out).toContain(`ok    ${on.core.url}: ready`);
  expect(out).toContain(`ok    ${on.core.url} database: `);
});
