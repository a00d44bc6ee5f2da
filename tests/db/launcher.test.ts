import { afterAll, expect, test } from 'bun:test';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closedFolder, makeLauncher, POSTGRES_ENV, postgresUser } from '../../src/db/embedded/launcher.ts';
import { makeSocketDir } from '../../src/db/embedded/socket-dir.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'streamspace-launcher-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));
chmodSync(root, 0o755);

const isRoot = process.getuid?.() === 0;
const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

function folder(name: string, mode: number): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  return path;
}

test('closedFolder names the outermost folder that the user may not enter', () => {
  const outer = folder('outer', 0o755);
  const inner = folder('outer/inner', 0o755);
  const stranger = { uid: 12_345, gid: 12_345 };
  expect(closedFolder(inner, stranger)).toBeNull();
  chmodSync(inner, 0o750);
  expect(closedFolder(inner, stranger)).toBe(inner);
  chmodSync(outer, 0o700);
  expect(closedFolder(inner, stranger)).toBe(outer);
  expect(closedFolder(inner, self)).toBeNull();
  chmodSync(outer, 0o710);
  expect(closedFolder(outer, { uid: 12_345, gid: self.gid })).toBeNull();
  chmodSync(outer, 0o755);
});

test('programs run as the user, who is not root, and without privileges', async () => {
  const user = postgresUser(join(root, 'none'));
  expect(user.uid).not.toBe(0);
  const { cmd, ids } = makeLauncher(user, ['/']).command(['/bin/sh', '-c', 'id -u; cat /proc/self/status']);
  const child = Bun.spawn(cmd, { ...ids, env: POSTGRES_ENV, stdout: 'pipe' });
  const text = await new Response(child.stdout).text();
  expect(text).toStartWith(`${user.uid}\n`);
  expect(text).toMatch(/^CapEff:\s*0+$/m);
  expect(text).toMatch(/^NoNewPrivs:\s*1$/m);
});

test.if(isRoot)('root runs it as the owner of the data folder', () => {
  const data = folder('data', 0o700);
  chownSync(data, 12_345, 12_346);
  expect(postgresUser(data)).toEqual({ uid: 12_345, gid: 12_346 });
});

test.if(isRoot)('behind a closed folder the user gets one capability, to pass', async () => {
  const closed = folder('closed', 0o700);
  const open = folder('closed/open', 0o755);
  const user = postgresUser(join(root, 'none'));
  const { cmd, ids } = makeLauncher(user, [open]).command(['/bin/sh', '-c', `ls -d ${open}; cat /proc/self/status`]);
  const child = Bun.spawn(cmd, { ...ids, env: POSTGRES_ENV, stdout: 'pipe' });
  const text = await new Response(child.stdout).text();
  expect(text).toContain(open);
  expect(text).toMatch(/^CapEff:\s*0+4$/m);
  expect(closedFolder(open, user)).toBe(closed);
});

test('a socket folder of another mode, or a file in its place, is refused', () => {
  const user = postgresUser(join(root, 'none'));
  const base = folder('base', 0o755);
  const made = makeSocketDir(base, user);
  expect(made).toBe(join(base, 'run'));
  expect(makeSocketDir(base, user)).toBe(made);
  chmodSync(made, 0o755);
  expect(() => makeSocketDir(base, user)).toThrow(/mode 0700: remove it/);
});
