import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type HostFiles, hostFlags, type Locks } from '../src/host/lockdown-plan.ts';
import { lockedCommand } from './agent-locks.ts';
import { AGENT_LIMITS, type AgentMessage } from './protocol/agent.ts';

/** A confined Node that the agent started. */
export interface HostProcess {
  /** SIGKILL, at once. */
  kill(): void;
}

/**
 * Starts a host over a connection that becomes its channel, and tells of its memory, its output and its end.
 *
 * @param options.blackBox descriptor, taken over
 * @param options.tell takes what there is to say; `over` follows when there will be nothing more
 * @throws Error when the system starts no process
 */
export function startHost(options: {
  readonly files: HostFiles;
  readonly locks: Locks;
  readonly blackBox: number;
  readonly channel: Socket;
  readonly tell: (message: AgentMessage) => void;
  readonly over: () => void;
}): HostProcess {
  const { files, locks, blackBox, channel, tell, over } = options;
  const [program = '', ...words] = lockedCommand(locks, files, [...hostFlags(files), files.entry]);
  let child: ChildProcess;
  try {
    child = spawn(program, words, { env: {}, cwd: '/', stdio: [blackBox, 'pipe', 'pipe', channel] });
  } finally {
    closeSync(blackBox);
    // The child has the connection now; ours would keep it open beyond the child's end.
    channel.destroy();
  }
  const memory = setInterval(() => tellMemory(child, tell), AGENT_LIMITS.memoryMs);
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  child.on('error', (error) => {
    clearInterval(memory);
    tell({ is: 'failed', message: error.message.slice(0, 1_000) });
    over();
  });
  child.on('exit', (code, signal) => {
    clearInterval(memory);
    tell({ is: 'exit', code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
  });
  child.on('close', over);
  for (const output of [child.stdout, child.stderr]) if (output !== null) tellOutput(output, tell);
  if (child.pid !== undefined) tell({ is: 'started', pid: child.pid });
  return { kill };
}

/** From outside: a host that something has taken over may say what it likes. */
function tellMemory({ pid }: ChildProcess, tell: (message: AgentMessage) => void): void {
  let kilobytes = 0;
  try {
    kilobytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch (error) {
    // It has ended, which is told by another event.
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  tell({ is: 'memory', bytes: kilobytes * 1_024 });
}

/** Passes on what it prints; beyond the limit it is not read, so a process that floods waits for itself. */
function tellOutput(output: Readable, tell: (message: AgentMessage) => void): void {
  let left: number = AGENT_LIMITS.outputCharsPerMinute;
  let minute: NodeJS.Timeout | null = null;
  output.setEncoding('utf8');
  output.on('error', () => undefined);
  output.on('data', (text: string) => {
    minute ??= setTimeout(() => {
      minute = null;
      left = AGENT_LIMITS.outputCharsPerMinute;
      output.resume();
    }, 60_000).unref();
    left -= text.length;
    for (let at = 0; at < text.length; at += AGENT_LIMITS.outputChars) {
      tell({ is: 'output', text: text.slice(at, at + AGENT_LIMITS.outputChars) });
    }
    if (left <= 0) output.pause();
  });
  output.on('close', () => clearTimeout(minute ?? undefined));
}
