import { expect, test } from 'bun:test';
import { until } from '../kit/until.ts';
import { hosted } from './hosted.ts';

// How a plugin lost its isolates, as the command shows it, against the real product.

const on = hosted();

const SOURCE = `
function spin() {
  for (;;);
}
export default {
  async onLoad({ api, storage }) {
    await storage.get('key');
    api.get('/loop', () => spin(), { auth: 'public' });
  },
};
`;

test('none, then a list, then one in full', async () => {
  await on.makePlugin('cli-dies', { limits: { cpuMsPerCall: 200 } }, SOURCE);
  expect((await on.run('plugin', 'install', 'cli-dies')).code).toBe(0);
  expect(await on.run('plugin', 'post-mortems', 'cli-dies')).toMatchObject({
    code: 0,
    out: '',
    err: 'cli-dies has lost no isolate lately.\n',
  });

  expect((await fetch(`${on.core.url}/api/plugins/cli-dies/loop`)).status).toBe(504);
  const listed = await until(async () => {
    const { out } = await on.run('plugin', 'post-mortems', 'cli-dies');
    return out === '' ? null : out;
  }, 'it is in the list');
  const [heading, line = '', ...rest] = listed.trimEnd().split('\n');
  expect(heading).toMatch(/^NUMBER +WHEN +VERSION +CAUSE +VERDICT +OUTCOME +DETAIL$/);
  expect(line).toMatch(/^\d+ +\d{4}-\S+Z +1\.0\.0 +cpu +culprit +reloaded +It ran on for more than its 200 ms/);
  expect(rest).toEqual([]);

  const number = line.split(' ')[0] ?? '';
  const { code, out } = await on.run('plugin', 'post-mortems', 'cli-dies', number);
  expect(code).toBe(0);
  expect(out).toMatch(/^cli-dies 1\.0\.0, .*: It ran on/);
  expect(out).toMatch(/\nUnder way\n {2}GET \/loop, for \d+ ms\n/);
  expect(out).toMatch(/\nLast calls\n( {2}.*\n)* {2}\S+Z storage\.get: ok, \S+ ms\n/);
  expect(out).toMatch(/\nStack\n.*\n.* at spin \(index\.ts:3:\d+\)\n/);
  expect(out).toMatch(/heap \d+\.\d MB of 64\.0 MB, CPU \d+ ms/);

  const json = JSON.parse((await on.run('plugin', 'post-mortems', 'cli-dies', number, '--json')).out);
  expect(json).toMatchObject({ id: Number(number), cause: 'cpu', underWay: [{ what: 'GET /loop' }] });
  expect(JSON.parse((await on.run('plugin', 'post-mortems', 'cli-dies', '--json')).out)).toHaveLength(1);
});

test('what is not there, and wrong usage', async () => {
  const ghost = await on.run('plugin', 'post-mortems', 'cli-ghost');
  expect([ghost.code, ghost.err]).toEqual([1, expect.stringContaining('plugin_not_found')]);
  expect((await on.run('plugin', 'post-mortems', 'cli-dies', 'x')).code).toBe(2);
  expect((await on.run('plugin', 'post-mortems', 'cli-dies', '-n', '0')).code).toBe(2);
});
