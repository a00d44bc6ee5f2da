import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataLockError, lockDataDir } from '../../src/db/data-lock.ts';
import { firstLine } from './processes.ts';

// Processes are started here; on a busy machine that takes its time.
setDefaultTimeout(60_000);

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'streamspace-lock-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** A process that tries to take the lock, says `held` or the pid in the error, and stays until its input ends. */
function contender() {
  const code = `import { lockDataDir } from '${join(import.meta.dir, '../../src/db/data-lock.ts')}';
    try { lockDataDir(process.argv[1]); Bun.gc(true); console.log('held'); } catch (error) { console.log(error.pid); }
    for await (const _ of Bun.stdin.stream()) {}`;
  return Bun.spawn([process.execPath, '-e', code, dataDir], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
}

function refusal(): DataLockError {
  try {
    lockDataDir(dataDir).release();
  } catch (error) {
    if (error instanceof DataLockError) return error;
    throw error;
  }
  throw new Error('the lock was given');
}

test('a second core is refused, and told which process holds the folder', async () => {
  const holder = contender();
  try {
    expect(await firstLine(holder.stdout)).toBe('held');
    expect(refusal().pid).toBe(holder.pid);
    expect(refusal().message).toBe(
      `${dataDir} is in use by the process ${holder.pid}: stop it, or set DATA_DIR to another folder`,
    );
  } finally {
    holder.kill('SIGKILL');
    await holder.exited;
  }
});

test('the lock of a killed core is free at once', async () => {
  const holder = contender();
  expect(await firstLine(holder.stdout)).toBe('held');
  holder.kill('SIGKILL');
  await holder.exited;
  lockDataDir(dataDir).release();
});

test('a pid that another process has now holds nothing', () => {
  writeFileSync(join(dataDir, 'core.pid'), `${process.ppid}\n`);
  lockDataDir(dataDir).release();
});

test('one process cannot take it twice; release gives it back, once', () => {
  const lock = lockDataDir(dataDir);
  Bun.gc(true);
  expect(refusal().pid).toBe(process.pid);
  lock.release();
  const next = lockDataDir(dataDir);
  lock.release();
  expect(refusal().pid).toBe(process.pid);
  next.release();
});

test('of several that start at once, one gets it', async () => {
  const racers = Array.from({ length: 5 }, contender);
  try {
    const said = await Promise.all(racers.map((racer) => firstLine(racer.stdout)));
    expect(said.filter((word) => word === 'held')).toHaveLength(1);
  } finally {
    for (const racer of racers) racer.kill('SIGKILL');
    await Promise.all(racers.map((racer) => racer.exited));
  }
});
