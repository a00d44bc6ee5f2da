import { expect, test } from 'bun:test';
import { until } from '../kit/until.ts';
import { hosted } from './hosted.ts';

// Jobs of a plugin and their runs, as the command shows them, against the real product.

const on = hosted();

const SOURCE = `
function pay(log) {
  log.info('paying');
  throw new Error('no money');
}
export default {
  onLoad({ scheduler, log }) {
    scheduler.schedule('0 0 1 1 *', ({ id, attempt }) => log.info('a year', { id, attempt }), { name: 'yearly' });
    scheduler.every('1d', () => pay(log), { name: 'pay' });
  },
};
`;

test('list, run, runs, pause, resume', async () => {
  await on.makePlugin('cli-jobs', {}, SOURCE);
  expect((await on.run('plugin', 'install', 'cli-jobs')).code).toBe(0);
  const jobs = (...args: string[]) => on.run('plugin', 'jobs', ...args);
  const listed = (await jobs('list', 'cli-jobs')).out.trimEnd().split('\n');
  expect(listed).toHaveLength(3);
  expect(listed[0]).toMatch(/^JOB +WHEN +STATE +NEXT +LAST +TOOK +ERROR$/);
  expect(listed[1]).toMatch(/^pay +every 86400 s +waiting +\S+Z$/);
  expect(listed[2]).toMatch(/^yearly +0 0 1 1 \* \(UTC\) +waiting +\d{4}-01-01T00:00:00.000Z$/);
  expect(await jobs('runs', 'cli-jobs', 'pay')).toMatchObject({
    code: 0,
    out: '',
    err: 'pay of cli-jobs has no such runs.\n',
  });

  expect((await jobs('pause', 'cli-jobs', 'pay')).out).toBe('pay is paused.\n');
  expect((await jobs('run', 'cli-jobs', 'pay')).out).toMatch(/^Run \d+ of pay has begun\.\n$/);
  const shown = await until(async () => {
    const { out } = await jobs('runs', 'cli-jobs', 'pay', '--state', 'failed', '--log');
    return out === '' ? null : out;
  }, 'the run has ended');
  const [heading, line, ...log] = shown.trimEnd().split('\n');
  expect(heading).toMatch(/^RUN +TRIGGER +TICK +BEGAN +TOOK +STATE +ERROR$/);
  expect(line).toMatch(/^\d+ +manual +\S+Z +\d+ ms +failed +plugin_error: Error: no money at index\.ts:4:\d+$/);
  expect(log[0]).toMatch(/^ {4}\S+Z info paying$/);

  expect((await jobs('list', 'cli-jobs')).out).toMatch(
    /\npay +every 86400 s +paused +\S+Z +\d+ ms +plugin_error: Error: no money\n/,
  );
  expect((await on.run('plugin', 'reload', 'cli-jobs')).code).toBe(0);
  expect((await jobs('list', 'cli-jobs')).out).toMatch(/\npay +every 86400 s +paused /);
  expect((await jobs('resume', 'cli-jobs', 'pay')).out).toMatch(/^pay goes on\. Next: \S+Z\n$/);
  expect((await jobs('run', 'cli-jobs', 'never')).code).toBe(1);
  expect((await jobs('runs', 'cli-jobs', 'pay', '--state', 'gone')).code).toBe(2);
});
