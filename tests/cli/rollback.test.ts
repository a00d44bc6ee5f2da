import { expect, test } from 'bun:test';
import { hosted } from './hosted.ts';

// Upgrade, versions, restore points and rollback as commands, against the real product.

const on = hosted();

const source = (version: string) => `
export default {
  onLoad({ api, storage }) {
    api.post('/add', () => storage.increment('n'), { auth: 'public' });
    api.get('/n', async () => \`${version} \${await storage.get('n')}\`, { auth: 'public' });
  },
};
`;
const make = (version: string) => on.makePlugin('cli-back', { version }, source(version));
const add = () => fetch(`${on.core.url}/api/plugins/cli-back/add`, { method: 'POST' });
const shown = async () => (await fetch(`${on.core.url}/api/plugins/cli-back/n`)).json();

test('there and back again', async () => {
  await make('1.0.0');
  const early = await on.run('plugin', 'upgrade', 'cli-back');
  expect([early.code, early.err]).toEqual([1, expect.stringContaining('cli-back is not installed')]);
  expect((await on.run('plugin', 'install', 'cli-back')).code).toBe(0);
  expect(await on.run('plugin', 'restore-points', 'cli-back')).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('has no restore points'),
  });
  await add();

  await make('2.0.0');
  const upgraded = await on.run('plugin', 'upgrade', 'cli-back');
  expect(upgraded).toMatchObject({ code: 0, out: 'cli-back 2.0.0 active\n' });
  expect(upgraded.err).toContain('It was 1.0.0: `streamspace plugin rollback cli-back` goes back');
  await add();
  expect(await shown()).toBe('2.0.0 2');

  const versions = await on.run('plugin', 'versions', 'cli-back');
  expect(versions.out).toMatch(
    /^VERSION +INSTALLED +CODE +RESTORE POINT\n2\.0\.0 \* +\S+Z +kept\n1\.0\.0 +\S+Z +kept +\d+\n$/,
  );
  const json = JSON.parse((await on.run('plugin', 'versions', 'cli-back', '--json')).out);
  expect(json).toMatchObject([{ version: '2.0.0', current: true }, { version: '1.0.0' }]);

  const back = await on.run('plugin', 'rollback', 'cli-back');
  expect(back).toMatchObject({ code: 0, out: 'cli-back 1.0.0 active\n' });
  expect(await shown()).toBe('1.0.0 1');
  const undo =
    /It was 2\.0\.0: `streamspace plugin rollback cli-back --to (\d+)` undoes this/.exec(back.err)?.[1] ?? '';
  expect((await on.run('plugin', 'rollback', 'cli-back', '--to', undo)).code).toBe(0);
  expect(await shown()).toBe('2.0.0 2');

  expect((await on.run('plugin', 'rollback', 'cli-back', '1.0.0', '--keep-data')).code).toBe(0);
  expect(await shown()).toBe('1.0.0 2');
});

test('restore points are made, listed and removed', async () => {
  const made = await on.run('plugin', 'restore-points', 'cli-back', '--make');
  expect([made.code, made.out]).toEqual([
    0,
    expect.stringMatching(/^Restore point \d+ of cli-back 1\.0\.0 is made\.\n$/),
  ]);
  const list = await on.run('plugin', 'restore-points', 'cli-back');
  expect(list.out).toMatch(/^NUMBER +VERSION +MADE +BEFORE +DATABASE\n\d+ +1\.0\.0 +\S+Z +manual +no\n/);
  const points = JSON.parse((await on.run('plugin', 'restore-points', 'cli-back', '--json')).out);
  const [newest] = points;
  expect((await on.run('plugin', 'restore-points', 'cli-back', '--remove', String(newest.id))).code).toBe(0);
  const left = JSON.parse((await on.run('plugin', 'restore-points', 'cli-back', '--json')).out);
  expect(left).toEqual(points.slice(1));
});

test('what is not there, and wrong usage', async () => {
  const gone = await on.run('plugin', 'rollback', 'cli-back', '9.9.9');
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('restore_point_not_found')]);
  expect((await on.run('plugin', 'versions', 'cli-ghost')).err).toContain('plugin_not_found');
  expect((await on.run('plugin', 'rollback', 'cli-back', '--to', 'x')).code).toBe(2);
  expect((await on.run('plugin', 'restore-points', 'cli-back', '--remove', '0')).code).toBe(2);
});
