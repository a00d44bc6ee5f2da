import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DbSocket } from '../../src/db/client.ts';
import { type Api, apiClient } from './api-client.ts';
import { hireJanitor } from './janitor.ts';
import { type LogLine, readLog } from './log-lines.ts';
import { testDatabase } from './postgres.ts';
import { within } from './until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ADMIN = { email: 'admin@localhost', password: 'a password of the tests' };
const START_MS = 60_000;

export interface StartOptions {
  /** Further environment; what is not given is not there. */
  readonly env?: Readonly<Record<string, string>>;
  readonly pluginDirs?: readonly string[];
  /** Kept by `stop`; without it the core gets a folder of its own, which goes with it. */
  readonly dataDir?: string;
  /** The embedded server starts slower than a new database of the test server takes, which is the default. */
  readonly database?: 'shared' | 'embedded';
  /** What the core is started through: a command in front of its own, and what that gets as descriptors from 4 on. */
  readonly through?: { readonly command: readonly string[]; readonly descriptors?: readonly number[] };
  /** Another account to run as, and a Bun that it can reach. */
  readonly user?: { readonly uid: number; readonly bun: string };
}

export interface RunningCore extends Api, AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly admin: { readonly email: string; readonly password: string };
  /** Bearer token of the admin. */
  readonly token: string;
  /** What it wrote so far, one object a line. */
  readonly lines: readonly LogLine[];
  /** Resolves with the first line, written or to come, that fits. */
  line(fits: (line: LogLine) => boolean, what: string, ms?: number): Promise<LogLine>;
  /** Stops it as an operator would, and removes what it kept. Answers the exit code. */
  stop(): Promise<number>;
  /** SIGKILL; `stop` cleans up after it. */
  kill(): Promise<void>;
}

/** Starts the whole product as a process of its own: free port, no more environment than is given. */
export async function startCore(options: StartOptions = {}): Promise<RunningCore> {
  const { env = {}, pluginDirs = [], database = 'shared', through, user } = options;
  const home = await mkdtemp(join(tmpdir(), 'streamspace-core-'));
  const dataDir = options.dataDir ?? join(home, 'data');
  const db = database === 'shared' ? await testDatabase() : null;
  if (user !== undefined) await chown(home, user.uid, user.uid);
  const bun = user?.bun ?? process.execPath;
  const child = Bun.spawn([...(through?.command ?? []), bun, join(ROOT, 'src/main.ts')], {
    cwd: home,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      PORT: '0',
      DATA_DIR: dataDir,
      PLUGIN_DIRS: pluginDirs.join(','),
      STREAMSPACE_ADMIN_EMAIL: ADMIN.email,
      STREAMSPACE_ADMIN_PASSWORD: ADMIN.password,
      ...(db === null ? {} : { DATABASE_URL: urlOf(db.address as DbSocket) }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ignore', ...(through?.descriptors ?? [])],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.uid }),
  });
  const janitor = hireJanitor(child.pid, home);
  const log = readLog(child.stdout);
  let stopped: Promise<number> | null = null;
  const stop = (): Promise<number> => {
    stopped ??= (async () => {
      child.kill('SIGTERM');
      const code = await within(child.exited, 'the core ends after SIGTERM', 15_000).catch(async (error: unknown) => {
        child.kill('SIGKILL');
        await child.exited;
        await cleanUp();
        throw error;
      });
      await cleanUp();
      return code;
    })();
    return stopped;
  };
  const cleanUp = async (): Promise<void> => {
    await db?.drop();
    await rm(home, { recursive: true, force: true });
    await janitor.dismiss();
  };
  try {
    const ready = await log.line((line) => line.event === 'ready', 'the core is ready', START_MS);
    const url = String(ready.url);
    return {
      url,
      pid: child.pid,
      dataDir,
      admin: ADMIN,
      lines: log.lines,
      line: log.line,
      ...(await apiClient(url, ADMIN)),
      stop,
      async kill() {
        child.kill('SIGKILL');
        await child.exited;
      },
      async [Symbol.asyncDispose]() {
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The same server as a URL, as an operator would give it. */
export function urlOf({ socketDir, port, user, password, database }: DbSocket): string {
  const secret = encodeURIComponent(password);
  return `postgres://${user}:${secret}@localhost:${port}/${database}?host=${encodeURIComponent(socketDir)}`;
}
