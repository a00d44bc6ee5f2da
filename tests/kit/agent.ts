import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostFiles } from '../../src/host/files.ts';
import { hireJanitor } from './janitor.ts';
import { type LogLine, readLog } from './log-lines.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface RunningAgent extends AsyncDisposable {
  /** For STREAMSPACE_ISOLATE_HOST. */
  readonly address: string;
  /** Path of its socket. */
  readonly socket: string;
  readonly pid: number;
  /** Its first line. */
  readonly ready: LogLine;
  readonly exited: Promise<number>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, as a kubelet would. */
  stop(): void;
}

/**
 * Starts an agent as its container would, in plain Node without an environment.
 *
 * @param options.at a socket of before, or in a folder of the test's
 * @param options.root the folder that it runs in, as /app of its image
 * @param options.account another than that of the tests, which takes root
 */
export async function startAgent(
  options: { readonly at?: string; readonly root?: string; readonly account?: { uid: number; gid: number } } = {},
): Promise<RunningAgent> {
  const { at, root = ROOT, account = {} } = options;
  const home = await mkdtemp(join(tmpdir(), 'streamspace-agent-'));
  const socket = at ?? join(home, 'host', 'agent.sock');
  const child = Bun.spawn([hostFiles().node, '--no-warnings', join(root, 'runtime/agent.ts'), socket], {
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
    ...account,
  });
  const janitor = hireJanitor(child.pid, home);
  const log = readLog(child.stdout);
  const ready = await log.line((line) => line.event === 'ready', 'the agent listens', 30_000);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await child.exited;
  };
  return {
    address: `unix:${socket}`,
    socket,
    pid: child.pid,
    ready,
    exited: child.exited,
    kill,
    stop: () => child.kill('SIGTERM'),
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(home, { recursive: true, force: true });
      await janitor.dismiss();
    },
  };
}
