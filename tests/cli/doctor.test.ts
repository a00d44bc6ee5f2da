import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/cli/checks/check.ts';
import { lockDataDir } from '../../src/db/data-lock.ts';
import { MAIN, streamspace } from './run.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function findings(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const { code, out } = await streamspace(['doctor', '--json', ...args], { cwd, env });
  const found = JSON.parse(out) as Finding[];
  return { code, found, of: (name: string) => found.find((finding) => finding.name === name) };
}

test('this machine can run it, and nothing is left behind', async () => {
  const { code, found } = await findings({ PORT: '0' });
  expect(found.filter(({ state }) => state === 'fail')).toEqual([]);
  expect(code).toBe(0);
  expect(found.map(({ name }) => name)).toEqual([
    'environment',
    'Bun',
    'isolates',
    'database',
    'data folder',
    'confinement',
    'port',
  ]);
  expect(await readdir(cwd)).toEqual([]);
});

test('without --json one line a finding, without colours where there is no terminal', async () => {
  const { out, err } = await streamspace(['doctor'], { cwd, env: { PORT: '0' } });
  expect(out).toContain('ok    environment: ');
  expect(out + err).not.toContain('\u001b');
});

test('a reader that leaves early is no error', async () => {
  const command = `${process.execPath} ${MAIN} doctor | true`;
  const child = Bun.spawn(['/bin/sh', '-c', command], { cwd, env: { PORT: '0', HOME: cwd }, stderr: 'pipe' });
  expect(await new Response(child.stderr).text()).toBe('');
});

test('a variable that cannot be used is named, and fails', async () => {
  const { code, found, of } = await findings({ PORT: 'http' });
  expect(code).toBe(1);
  expect(found).toHaveLength(1);
  expect(of('environment')).toMatchObject({ state: 'fail', detail: expect.stringContaining('PORT: "http"') });
});

test('a data folder that cannot be made fails', async () => {
  await writeFile(join(cwd, 'file'), '');
  const { code, of } = await findings({ PORT: '0', DATA_DIR: join(cwd, 'file/data') });
  expect(code).toBe(1);
  expect(of('data folder')?.state).toBe('fail');
});

test('says who works on the data folder', async () => {
  const dataDir = join(cwd, 'data');
  const lock = lockDataDir(dataDir);
  try {
    const { of } = await findings({ PORT: '0', DATA_DIR: dataDir });
    expect(of('data folder')).toMatchObject({ state: 'warn', detail: expect.stringContaining(String(process.pid)) });
  } finally {
    lock.release();
  }
  const { of } = await findings({ PORT: '0', DATA_DIR: dataDir });
  expect(of('data folder')).toMatchObject({ state: 'ok', detail: `${dataDir}, writable, not in use` });
});

test('says that the port is taken', async () => {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  try {
    const { of } = await findings({ PORT: String(server.port) });
    expect(of('port')).toMatchObject({ state: 'warn', detail: expect.stringContaining(`127.0.0.1:${server.port}`) });
  } finally {
    server.stop(true);
  }
});

test('a database that does not answer fails, and its password is not shown', async () => {
  const gone = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  gone.stop(true);
  const { code, of } = await findings({ PORT: '0', DATABASE_URL: `postgres://u:s3cretpw@127.0.0.1:${gone.port}/d` });
  expect(code).toBe(1);
  expect(of('database')?.state).toBe('fail');
  expect(JSON.stringify(of('database'))).not.toContain('s3cretpw');
});

test('a host that does not answer fails', async () => {
  const gone = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  gone.stop(true);
  const url = `http://127.0.0.1:${gone.port}`;
  const { code, of } = await findings({ PORT: '0' }, [url]);
  expect(code).toBe(1);
  expect(of(url)?.state).toBe('fail');
});
