import { expect, test } from 'bun:test';
import { createLog } from '../src/log.ts';

function capture() {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, destination: { write } };
}

test('writes one JSON object a line, with level and time', () => {
  const { lines, destination } = capture();
  const log = createLog('info', destination);
  log.debug('not this');
  log.child({ plugin: 'hello' }).info({ event: 'ready' }, 'it runs\nwell');
  expect(lines).toHaveLength(1);
  const { time, ...rest } = JSON.parse(lines[0] ?? '');
  expect(rest).toEqual({ level: 'info', plugin: 'hello', event: 'ready', msg: 'it runs\nwell' });
  expect(new Date(time).toISOString()).toBe(time);
  expect(lines[0]).toEndWith('}\n');
});

test('hides secrets by their key', () => {
  const { lines, destination } = capture();
  const log = createLog('info', destination);
  const headers = { authorization: 'Bearer hunter2', cookie: 'sid=hunter2', 'set-cookie': 'hunter2', accept: 'x' };
  log.info({ headers, req: { headers }, password: 'hunter2', token: 'hunter2', user: { password: 'hunter2' } }, 'a');
  log.child({ token: 'hunter2' }).info({ config: { secretKey: 'hunter2', databaseUrl: 'hunter2' } }, 'b');
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain('hunter2');
  expect(lines[0]).toContain('"accept":"x"');
});
