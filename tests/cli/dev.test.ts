import { expect, test } from 'bun:test';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectCdp } from '../kit/cdp.ts';
import { until } from '../kit/until.ts';
import { hosted } from './hosted.ts';
import { follow } from './run.ts';

// Writing a plugin against the real product: changes, errors and a debugger.

const on = hosted();
const source = (greeting: string): string => `
export default {
  onLoad({ api, log }) {
    log.info('${greeting} is ready');
    api.get('/', () => '${greeting}', { auth: 'public' });
    api.get('/fail', () => { throw new Error('as told', { cause: new RangeError('too much') }); }, { auth: 'public' });
  },
};
`;
const ask = async (path: string): Promise<string> => (await fetch(`${on.core.url}/api/plugins/${path}`)).text();

test('dev installs the folder, takes changes, and shows the log with excerpts', async () => {
  await on.makePlugin('cli-dev', {}, source('one'));
  const dev = follow(['plugin', 'dev', 'cli-dev', '--inspect=0'], { cwd: on.cwd, env: on.env });
  try {
    const printed = await dev.until('&ws=');
    expect(await ask('cli-dev/')).toBe('"one"');
    const [, target = ''] = /ws=(127\.0\.0\.1:\d+\/\S+)/.exec(printed) ?? [];
    const session = await connectCdp(`ws://${target}`);
    await session.call('Debugger.enable');
    await session.heard('Debugger.scriptParsed', ({ url }) => url === 'plugin:cli-dev');
    await session.close();
    await until(async () => !(await on.core.api('GET', '/api/plugins/cli-dev/inspector')).body.open, 'it is let go');

    await writeFile(join(on.cwd, 'cli-dev', 'index.ts'), source('two'));
    await dev.until('two is ready');
    await until(async () => (await ask('cli-dev/')) === '"two"', 'the change is live');
    await ask('cli-dev/fail');
    const shown = await dev.until('Caused by: RangeError: too much');
    expect(shown).toContain("    > 6 |     api.get('/fail'");
    expect(shown).toMatch(/ERROR Error: as told errorId=/);
    expect(await ask('cli-dev/fail')).not.toContain('index.ts');
  } finally {
    expect(await dev.interrupt()).toBe(0);
  }
});

test('dev says at once when debugging is not possible', async () => {
  await on.makePlugin('cli-undebugged', {}, source('one'));
  const user = await on.core.signUp('cli-dev@example.com');
  expect((await on.run('plugin', 'install', 'cli-undebugged')).code).toBe(0);
  const asked = on.core.api('GET', '/api/plugins/cli-undebugged/inspector', { token: user });
  expect((await asked).status).toBe(403);
  expect((await on.run('plugin', 'dev', 'cli-undebugged', '--inspect=x')).code).toBe(2);
  expect((await on.run('plugin', 'dev', 'nowhere')).code).toBe(1);
});

test('profile and heap write files for DevTools, for their owner alone', async () => {
  await on.makePlugin('cli-measured', {}, source('one'));
  expect((await on.run('plugin', 'install', 'cli-measured')).code).toBe(0);
  expect(await on.run('plugin', 'profile', 'cli-measured', '--seconds', '0.2', '--out', 'p.cpuprofile')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^p\.cpuprofile {2}\d+\.\d KB\n$/),
  });
  expect(JSON.parse(await readFile(join(on.cwd, 'p.cpuprofile'), 'utf8'))).toHaveProperty('samples');
  expect((await on.run('plugin', 'heap', 'cli-measured')).code).toBe(0);
  const file = join(on.cwd, 'cli-measured.heapsnapshot');
  expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('snapshot.node_count');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await on.run('plugin', 'profile', 'cli-measured', '--seconds', '61')).code).toBe(2);
  expect((await on.run('plugin', 'profile', 'ghost')).err).toContain('plugin_not_found');
});
