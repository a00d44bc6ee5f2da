import { expect, test } from 'bun:test';
import { hosted } from './hosted.ts';

// `streamspace plugin permissions` and `plugin switch`, against the real product.

const on = hosted();

test('what a plugin has and uses, and a switch that is turned off and on', async () => {
  await on.makePlugin(
    'cli-switched',
    { permissions: ['users:read'], optionalPermissions: ['network:example.com'] },
    'export default { onLoad({ storage }) { return storage.set("loaded", true); } };\n',
  );
  await on.run('plugin', 'install', 'cli-switched', '--yes');

  const off = await on.run('plugin', 'switch', 'cli-switched', 'storage', 'off', '--reason', 'It is too greedy');
  expect(off).toMatchObject({ code: 0, out: 'storage of cli-switched is off.\n' });
  const shown = await on.run('plugin', 'permissions', 'cli-switched', '--unused-days', '0');
  expect(shown.out).toMatch(/^PERMISSION +GRANTED +ASKED +USES +LAST USED +REFUSED\n/);
  expect(shown.out).toMatch(/\nusers:read +yes +yes +0 +0\n/);
  expect(shown.out).toMatch(/\nstorage +OFF +It is too greedy +1 +\d{4}-\S+Z +0\n/);
  expect(shown.out).toMatch(/\nlog +always on +/);
  expect(shown.err).toContain('Granted, and not used for 0 days: users:read');
  expect((await on.run('plugin', 'permissions', 'cli-switched')).err).not.toContain('not used');

  expect((await on.run('plugin', 'switch', 'cli-switched', 'storage', 'on')).out).toBe(
    'storage of cli-switched is on.\n',
  );
  const { capabilities } = JSON.parse((await on.run('plugin', 'permissions', 'cli-switched', '--json')).out) as {
    capabilities: { capability: string; on: boolean }[];
  };
  expect(capabilities.find(({ capability }) => capability === 'storage')?.on).toBe(true);
});

test('what cannot be done is said', async () => {
  await on.makePlugin('cli-plain');
  await on.run('plugin', 'install', 'cli-plain');
  const log = await on.run('plugin', 'switch', 'cli-plain', 'log', 'off');
  expect([log.code, log.out]).toEqual([1, '']);
  expect(log.err).toContain('"log" cannot be switched off');
  expect((await on.run('plugin', 'switch', 'cli-plain', 'teleport', 'off')).err).toContain('there are api');
  expect((await on.run('plugin', 'switch', 'cli-plain', 'fetch', 'maybe')).code).toBe(2);
  expect((await on.run('plugin', 'permissions', 'cli-plain', '--unused-days', 'some')).code).toBe(2);
  expect((await on.run('plugin', 'permissions', 'cli-nobody')).err).toContain('cli-nobody');
  expect((await on.run('plugin', 'permissions', 'cli-plain')).err).toContain('asks for no permission');
});
