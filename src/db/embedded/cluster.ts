import { chownSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import { readSecretFile, secretFile, syncFolder } from '../../secret-file.ts';
import type { Binaries } from './binaries.ts';
import { type Launcher, POSTGRES_ENV } from './launcher.ts';

export const SUPERUSER = 'streamspace';

export interface ClusterOptions {
  /** Folder that holds `data` (the cluster), `password` and, while it is made, `init-*`. */
  readonly root: string;
  readonly binaries: Binaries;
  readonly launcher: Launcher;
  /** False: speed before safety, for data that is thrown away. */
  readonly durable: boolean;
  readonly log: Log;
}

/**
 * Makes the data folder `<root>/data` unless it is there. A crash in between leaves nothing that counts: the folder
 * appears whole, by a rename.
 *
 * @returns the superuser's password
 * @throws Error when the folder is of another major version, damaged, or its password is lost
 */
export async function prepareCluster(options: ClusterOptions): Promise<string> {
  const { root, binaries, log } = options;
  const data = join(root, 'data');
  const entries = await readdir(root);
  for (const name of entries) {
    if (name.startsWith('init-')) rmSync(join(root, name), { recursive: true, force: true });
  }
  const passwordPath = join(root, 'password');
  if (entries.includes('data')) {
    checkVersion(data, binaries.major);
    const password = readSecretFile(passwordPath);
    if (password === null)
      throw new Error(`${passwordPath} is missing: it holds the password of the database in ${data}`);
    return password;
  }
  const password = secretFile(passwordPath, randomPassword);
  const begun = performance.now();
  await initialise(options, data, password);
  log.info({ folder: data, ms: Math.round(performance.now() - begun) }, 'made a new database');
  return password;
}

function randomPassword(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
}

function checkVersion(data: string, major: string): void {
  let found: string;
  try {
    found = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    throw new Error(`${data} is no PostgreSQL data folder: it has no readable PG_VERSION`, { cause: error });
  }
  if (found === major) return;
  throw new Error(
    `${data} was made by PostgreSQL ${found}, and this is ${major}: dump it with ${found} (pg_dumpall), move the folder ` +
      `away, and restore it here; or set DATABASE_URL to a PostgreSQL ${found} server.`,
  );
}

async function initialise({ root, binaries, launcher, durable }: ClusterOptions, data: string, password: string) {
  const staging = join(root, `init-${crypto.randomUUID()}`);
  const { uid, gid } = launcher.user;
  try {
    mkdirSync(staging, { mode: 0o700 });
    const passwordFile = join(staging, 'password');
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    for (const path of [passwordFile, staging]) chownSync(path, uid, gid);
    const made = join(staging, 'data');
    const options = ['-D', made, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '--no-instructions'];
    options.push('--auth-local=scram-sha-256', '--auth-host=reject', '--encoding=UTF8', '--locale=C');
    // Unicode rules of PostgreSQL's own, the same on each machine.
    options.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8');
    if (!durable) options.push('--no-sync');
    const { cmd, ids } = launcher.command([binaries.initdb, ...options]);
    const child = Bun.spawn(cmd, {
      ...ids,
      cwd: '/',
      env: POSTGRES_ENV,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    });
    const [code, messages] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    if (code !== 0) throw new Error(`initdb failed (${child.signalCode ?? code}): ${messages.trim()}`);
    renameSync(made, data);
    syncFolder(root);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
