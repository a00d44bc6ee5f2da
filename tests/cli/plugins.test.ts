import { describe, expect, test } from 'bun:test';
import { hosted } from './hosted.ts';
import { onTerminal } from './run.ts';

// Plugins through the commands, against the real product.

const on = hosted();

test('the life of a plugin: create, install, call, list, reload, disable, enable, uninstall', async () => {
  expect((await on.run('plugin', 'create', 'cli-life')).code).toBe(0);
  const installed = await on.run('plugin', 'install', 'cli-life', '--set', 'greeting=Good morning');
  expect(installed).toMatchObject({ code: 0, out: 'cli-life 0.1.0 active\n' });
  const endpoint = `${on.core.url}/api/plugins/cli-life/hello`;
  expect(installed.err).toContain(`GET ${endpoint}`);
  expect(await (await fetch(endpoint)).json()).toEqual({ message: 'Good morning!', visits: 1 });

  expect((await on.run('plugin', 'list')).out).toMatch(
    /^NAME +VERSION +STATE +ERROR\n(.*\n)*cli-life +0\.1\.0 +active\n/,
  );
  const json = JSON.parse((await on.run('plugin', 'list', '--json')).out) as { name: string; source: string }[];
  expect(json.find(({ name }) => name === 'cli-life')).toMatchObject({ source: 'upload' });

  expect((await on.run('plugin', 'reload', 'cli-life')).out).toBe('cli-life 0.1.0 active\n');
  expect((await on.run('plugin', 'disable', 'cli-life')).out).toBe('cli-life 0.1.0 installed\n');
  expect((await fetch(endpoint)).status).toBe(404);
  expect((await on.run('plugin', 'enable', 'cli-life', '--set', 'greeting=Moin')).out).toBe('cli-life 0.1.0 active\n');
  expect(await (await fetch(endpoint)).json()).toEqual({ message: 'Moin!', visits: 2 });

  expect(await on.run('plugin', 'uninstall', 'cli-life', '--keep-data')).toMatchObject({
    code: 0,
    out: 'cli-life is removed; its data is kept.\n',
  });
  expect((await fetch(endpoint)).status).toBe(404);
  await on.run('plugin', 'install', 'cli-life');
  expect(await (await fetch(endpoint)).json()).toEqual({ message: 'Hello!', visits: 3 });
  expect((await on.run('plugin', 'uninstall', 'cli-life', '--yes')).out).toBe(
    'cli-life is removed; its data is dropped.\n',
  );
});

test('a packed file installs as the folder does', async () => {
  await on.makePlugin('cli-packed');
  await on.run('plugin', 'pack', 'cli-packed', '-o', 'package.tgz');
  expect(await on.run('plugin', 'install', 'package.tgz', '--no-enable')).toMatchObject({
    code: 0,
    out: 'cli-packed 1.0.0 installed\n',
  });
});

describe('permissions', () => {
  const grantsOf = async (name: string) =>
    (await on.core.call<{ grants: string[] }>('GET', `/api/plugins/${name}`)).body.grants;

  test('without a terminal nothing is granted unasked: they are listed with what they allow', async () => {
    await on.makePlugin('cli-asks', { permissions: ['users:read', 'network:example.com'] });
    const { code, err } = await on.run('plugin', 'install', 'cli-asks');
    expect(code).toBe(1);
    expect(err).toContain('cli-asks asks for:');
    expect(err).toMatch(/network:example\.com +Send requests to example\.com/);
    expect(err).toContain('Nothing was changed');
    expect((await on.core.call('GET', '/api/plugins/cli-asks')).status).toBe(404);
  });

  test('--yes grants them, --grant all too, and --grant with a list what it names', async () => {
    await on.makePlugin('cli-yes', { permissions: ['users:read'] });
    expect((await on.run('plugin', 'install', 'cli-yes', '--yes')).code).toBe(0);
    expect(await grantsOf('cli-yes')).toEqual(['users:read']);

    await on.makePlugin('cli-all', { permissions: ['users:read'], optionalPermissions: ['network:example.com'] });
    expect((await on.run('plugin', 'install', 'cli-all', '--grant', 'all')).code).toBe(0);
    expect(await grantsOf('cli-all')).toEqual(['network:example.com', 'users:read']);

    await on.makePlugin('cli-list', { permissions: ['users:read'] });
    expect((await on.run('plugin', 'install', 'cli-list', '--grant', 'users:read, network:10.0.0.1:80')).code).toBe(0);
    expect(await grantsOf('cli-list')).toEqual(['network:10.0.0.1:80', 'users:read']);
  });

  test('a new version asks only for what is new, and keeps the rest', async () => {
    await on.makePlugin('cli-more', { permissions: ['users:read'] });
    await on.run('plugin', 'install', 'cli-more', '--grant', 'users:read,network:10.0.0.1:80');
    await on.makePlugin('cli-more', { version: '1.1.0', permissions: ['users:read', 'sessions:read'] });
    const { code, out, err } = await on.run('plugin', 'install', 'cli-more', '--yes');
    expect([code, out]).toEqual([0, 'cli-more 1.1.0 active\n']);
    expect(err).toContain('sessions:read');
    expect(err).not.toContain('users:read');
    expect(await grantsOf('cli-more')).toEqual(['network:10.0.0.1:80', 'sessions:read', 'users:read']);
  });

  test('on a terminal they are asked for', async () => {
    await on.makePlugin('cli-terminal', { permissions: ['users:read'] });
    const no = await onTerminal(['plugin', 'install', 'cli-terminal'], { cwd: on.cwd, env: on.env }, { '[y/N]': 'n' });
    expect(no.code).toBe(1);
    expect((await on.core.call('GET', '/api/plugins/cli-terminal')).status).toBe(404);
    const yes = await onTerminal(['plugin', 'install', 'cli-terminal'], { cwd: on.cwd, env: on.env }, { '[y/N]': 'y' });
    expect(yes.code).toBe(0);
    expect(yes.shown).toContain('Grant them? [y/N]');
    expect(await grantsOf('cli-terminal')).toEqual(['users:read']);
  });

  test('colours are for terminals, and not under NO_COLOR', async () => {
    const args = ['plugin', 'list'];
    expect((await onTerminal(args, { cwd: on.cwd, env: on.env })).shown).toContain('\u001b[1mNAME');
    expect((await onTerminal(args, { cwd: on.cwd, env: { ...on.env, NO_COLOR: '1' } })).shown).not.toContain('\u001b[');
    expect((await on.run(...args)).out).not.toContain('\u001b');
  });
});
