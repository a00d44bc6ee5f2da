import { unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT_LIMITS } from '../../runtime/protocol/agent.ts';
import type { Log } from '../log.ts';
import { type AgentLine, openAgentLine } from './agent-line.ts';
import type { AgentAnswer } from './agent-messages.ts';
import { BlackBoxFile } from './black-box.ts';
import type { HostChild } from './host-child.ts';
import { outputLog } from './host-output.ts';
import { HOST_LIMITS } from './limits.ts';
import type { Locks } from './lockdown-plan.ts';

/** 128 and SIGKILL: what is said of a process whose agent is gone. */
const KILLED = 137;
/** Messages of one agent between two looks, `HOST_LIMITS.silenceMs`: thirty are of memory, and few of output. */
const MESSAGES_AT_MOST = 1_000;
/** Milliseconds that an agent gets to confirm a kill. */
const CONFIRM_MS = 5_000;

/** A process of an agent. */
export interface RemoteChild extends HostChild {
  /** Resolves when the agent says no more of it. */
  readonly over: Promise<void>;
}

/** What is said of an agent that cannot be reached. */
export function unreachable(path: string, reason: string): string {
  return `the agent of the isolate hosts at ${path} does not answer (${reason}): look at its container`;
}

/**
 * Has an agent prepare a process; it is started when its channel is opened.
 *
 * @param options.locks what the agent offered when it was first asked; with fewer nothing is started
 * @throws Error when the agent does not answer in time, or refuses
 */
export async function prepareRemoteChild(options: {
  readonly path: string;
  readonly locks: Locks | null;
  readonly log: Log;
}): Promise<RemoteChild> {
  const { path, locks, log } = options;
  const name = crypto.randomUUID().replaceAll('-', '');
  const boxPath = join(dirname(path), `${name}.box`);
  const blackBox = BlackBoxFile.named(boxPath);
  /** The agent's side may have removed it already, or the folder: nothing of it is to bring the core down. */
  const forget = once(() => {
    try {
      unlinkSync(boxPath);
    } catch (error) {
      log.warn({ err: error }, 'a file for the agent of the isolate hosts was not where the core put it');
    }
  });
  const attached = Promise.withResolvers<string>();
  const started = Promise.withResolvers<number>();
  const exited = Promise.withResolvers<number>();
  const lost = Promise.withResolvers<string>();
  const over = Promise.withResolvers<void>();
  // Whoever does not wait for them hears of it from the others.
  for (const { promise } of [attached, started]) promise.catch(() => undefined);
  let bytes = 0;
  let heardAt = performance.now();
  let messages = 0;
  let isOver = false;
  let hasExited = false;
  const write = outputLog(log);

  const end = (reason: string): void => {
    isOver = true;
    clearInterval(watch);
    forget();
    over.resolve();
    for (const { reject } of [attached, started]) reject(new Error(unreachable(path, reason)));
    if (hasExited) return;
    // Whatever ended the agent ended the process from outside.
    exited.resolve(KILLED);
    lost.resolve(`its agent is gone (${reason})`);
  };
  const refuse = (why: string): void => {
    const error = new Error(`the agent did not start an isolate host: ${why}`);
    for (const { reject } of [attached, started]) reject(error);
    line.close();
  };
  const onMessage = (message: AgentAnswer): void => {
    heardAt = performance.now();
    messages += 1;
    switch (message.is) {
      case 'hello':
        if (isFewer(message, locks)) refuse('it has fewer locks for its processes than it had at the start');
        return;
      case 'attach':
        attached.resolve(message.token);
        return;
      case 'started':
        forget();
        started.resolve(message.pid);
        return;
      case 'memory':
        bytes = message.bytes;
        return;
      case 'output':
        write(message.text);
        return;
      case 'exit':
        hasExited = true;
        exited.resolve(message.code);
        return;
      case 'failed':
        refuse(message.message);
        return;
    }
  };
  const line: AgentLine = openAgentLine(path, { start: name }, { onMessage, onEnd: end });
  const watch = setInterval(() => {
    if (performance.now() - heardAt > AGENT_LIMITS.silenceMs || messages > MESSAGES_AT_MOST) line.close();
    messages = 0;
  }, HOST_LIMITS.silenceMs);
  try {
    const token = await attached.promise;
    return {
      blackBox,
      channel: { unix: path, greeting: `${JSON.stringify({ attach: token })}\n` },
      started: started.promise,
      exited: exited.promise,
      lost: lost.promise,
      over: over.promise,
      residentBytes: () => bytes,
      kill: () => {
        if (isOver) return;
        line.send({ kill: true });
        setTimeout(() => line.close(), CONFIRM_MS).unref();
      },
    };
  } catch (error) {
    line.close();
    blackBox.close();
    throw error;
  }
}

function isFewer(now: Locks, before: Locks | null): boolean {
  return before !== null && ((before.seccomp && !now.seccomp) || (before.files && !now.files));
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
