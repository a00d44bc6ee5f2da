import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../../package.json' with { type: 'json' };
import { streamspace } from './run.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

test('help and version are answers, not errors', async () => {
  expect(await streamspace(['--version'], { cwd })).toEqual({ code: 0, out: `${version}\n`, err: '' });
  const help = await streamspace(['plugin', '--help'], { cwd });
  expect([help.code, help.err]).toEqual([0, '']);
  for (const command of ['create', 'pack', 'install', 'list', 'logs', 'enable', 'disable', 'reload', 'uninstall']) {
    expect(help.out).toContain(`\n  ${command}`);
  }
});

describe('wrong usage ends with 2 and says what is wrong', () => {
  for (const [args, said] of [
    [['frobnicate'], 'unknown command'],
    [['plugin', 'install'], "missing required argument 'package'"],
    [['plugin', 'logs', 'x', '--level', 'loud'], 'Allowed choices are debug'],
    [['plugin', 'logs', 'x', '-n', '5000'], 'from 0 to 1000'],
    [['plugin', 'uninstall', 'x'], '--keep-data'],
    [['login', 'ftp://example.com'], 'is not an http or https address'],
    [['login'], 'use --email'],
    [['plugin', 'install', '.', '--set', 'novalue'], 'It has to be key=value'],
    [['plugin', 'enable', 'x', '--config', 'nowhere.json'], '--config nowhere.json cannot be used'],
  ] as const) {
    test(args.join(' '), async () => {
      const { code, out, err } = await streamspace(args, { cwd });
      expect(err).toContain(said);
      expect([code, out]).toEqual([2, '']);
    });
  }
});

test('a host that does not answer is named, with what to do', async () => {
  const gone = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  gone.stop(true);
  const url = `http://127.0.0.1:${gone.port}`;
  const { code, err } = await streamspace(['plugin', 'list'], { cwd, env: { STREAMSPACE_URL: url } });
  expect(code).toBe(1);
  expect(err).toContain(`Nothing answers at ${url}`);
});

describe('stored credentials', () => {
  const store = async (content: string, mode: number) => {
    await mkdir(join(cwd, '.config/streamspace'), { recursive: true });
    await writeFile(join(cwd, '.config/streamspace/credentials.json'), content, { mode });
  };

  test('that others can read are not used', async () => {
    await store('{"url":"http://127.0.0.1:1","token":"t"}', 0o644);
    const { code, err } = await streamspace(['plugin', 'list'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('can be read by other users');
  });

  test('that are damaged are named', async () => {
    await store('{"url":', 0o600);
    const { code, err } = await streamspace(['plugin', 'list'], { cwd });
    expect(code).toBe(1);
    expect(err).toContain('credentials.json cannot be used: it is damaged');
  });
});
