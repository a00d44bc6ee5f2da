import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { HostFiles } from '../src/host/lockdown-plan.ts';
import type { LocksHere } from './agent-locks.ts';
import { type HostProcess, startHost } from './agent-process.ts';
import { onRequests } from './agent-requests.ts';
import { AGENT_LIMITS, type AgentMessage } from './protocol/agent.ts';
import { BLACK_BOX } from './protocol/black-box.ts';

/** The folder is for this account and its group; what is in it gets that group. */
const FOLDER_MODE = 0o2770;
const SOCKET_MODE = 0o660;
const FOR_OTHERS = 0o007;

export interface Agent {
  /** Resolves when nobody needs it: it was told to stop, and the last process is gone. */
  readonly finished: Promise<void>;
  /** Goes on as long as there is a process, since a core that stops finishes what it is at; then `finished`. */
  stop(): void;
}

interface Prepared {
  readonly blackBox: number;
  readonly begin: (channel: Socket) => void;
}

/**
 * Listens for the core in a folder that nobody else may enter.
 *
 * @param path of the socket; its folder is made if need be
 * @throws Error when the folder is another's, or open to others
 */
export async function startAgent(path: string, files: HostFiles, locks: LocksHere): Promise<Agent> {
  const folder = dirname(path);
  claimFolder(folder);
  for (const name of readdirSync(folder)) if (name.endsWith('.box')) rmSync(join(folder, name), { force: true });
  rmSync(path, { force: true });

  /** Processes whose channel is awaited, by token. */
  const prepared = new Map<string, Prepared>();
  /** Connections that stand for a process, prepared or running. */
  const lines = new Set<Socket>();
  const strangers = new Set<Socket>();
  const finished = Promise.withResolvers<void>();
  let stopping = false;

  const finishIfIdle = (): void => {
    if (!stopping || lines.size > 0) return;
    server.close();
    for (const stranger of strangers) stranger.destroy();
    finished.resolve();
  };

  function greet(socket: Socket): void {
    // What a connection breaks off with is of no interest: its end is what counts.
    socket.on('error', () => undefined);
    if (strangers.size >= AGENT_LIMITS.strangers) {
      socket.destroy();
      return;
    }
    strangers.add(socket);
    const late = setTimeout(() => socket.destroy(), AGENT_LIMITS.greetMs);
    const known = (): void => {
      clearTimeout(late);
      strangers.delete(socket);
    };
    socket.on('close', known);
    let first = true;
    let kill = (): void => undefined;
    onRequests(socket, (request, more) => {
      const isFirst = first;
      first = false;
      known();
      if (request !== null && isFirst && 'hello' in request) socket.end(lineOf({ is: 'hello', ...locks }));
      else if (request !== null && isFirst && 'start' in request) kill = prepare(socket, request.start);
      else if (request !== null && isFirst && 'attach' in request && !more) attach(socket, request.attach);
      else if (request !== null && !isFirst && 'kill' in request) kill();
      else socket.destroy();
    });
  }

  /** @returns what ends the process, whatever it has come to */
  function prepare(socket: Socket, box: string): () => void {
    const tell = (message: AgentMessage): void => {
      if (socket.writable) socket.write(lineOf(message));
      // A core that does not read is none.
      if (socket.writableLength > AGENT_LIMITS.unreadBytes) socket.destroy();
    };
    if (lines.size >= AGENT_LIMITS.processes) {
      socket.end(lineOf({ is: 'failed', message: `there are ${lines.size} processes already` }));
      return () => undefined;
    }
    let blackBox: number;
    try {
      blackBox = openBlackBox(join(folder, `${box}.box`));
    } catch (error) {
      socket.end(lineOf({ is: 'failed', message: `the black box: ${(error as Error).message}` }));
      return () => undefined;
    }
    lines.add(socket);
    const token = randomBytes(16).toString('hex');
    let process: HostProcess | null = null;
    const waiting = setTimeout(() => socket.destroy(), AGENT_LIMITS.greetMs);
    const begin = (channel: Socket): void => {
      clearTimeout(waiting);
      prepared.delete(token);
      try {
        process = startHost({ files, locks, blackBox, channel, tell, over: () => socket.end() });
      } catch (error) {
        tell({ is: 'failed', message: (error as Error).message.slice(0, 1_000) });
        socket.end();
      }
    };
    prepared.set(token, { blackBox, begin });
    const end = (): void => {
      if (process === null) socket.destroy();
      else process.kill();
    };
    socket.on('end', end);
    socket.on('close', () => {
      clearTimeout(waiting);
      lines.delete(socket);
      if (prepared.delete(token)) closeSync(blackBox);
      process?.kill();
      finishIfIdle();
    });
    tell({ is: 'hello', ...locks });
    tell({ is: 'attach', token });
    return end;
  }

  function attach(channel: Socket, token: string): void {
    channel.pause();
    const waiting = prepared.get(token);
    if (waiting === undefined) channel.destroy();
    else waiting.begin(channel);
  }

  const server = createServer({ allowHalfOpen: false }, greet);
  await listen(server, path);
  chmodSync(path, SOCKET_MODE);
  return {
    finished: finished.promise,
    stop: () => {
      stopping = true;
      finishIfIdle();
    },
  };
}

/** @throws Error when others could put something there, or connect */
function claimFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  const { uid } = statSync(folder);
  if (uid !== process.getuid?.()) {
    throw new Error(
      `${folder} belongs to the account ${uid}: give the socket a folder of its own, which is made if need be`,
    );
  }
  chmodSync(folder, FOLDER_MODE);
  const { mode } = statSync(folder);
  if ((mode & FOR_OTHERS) !== 0) throw new Error(`${folder} is open to all accounts (mode ${mode.toString(8)})`);
}

/** The file that the core made for one process. @throws Error when it is not there, or something else */
function openBlackBox(path: string): number {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stat = fstatSync(descriptor);
  if (stat.isFile() && stat.size === BLACK_BOX.bytes) return descriptor;
  closeSync(descriptor);
  throw new Error(`it is no file of ${BLACK_BOX.bytes} bytes`);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // A connection that cannot be taken (no descriptor is left) is the core's to try again.
      server.on('error', (error) => console.error(JSON.stringify({ level: 'error', msg: error.message })));
      resolve();
    });
  });
}

function lineOf(message: AgentMessage): string {
  return `${JSON.stringify(message)}\n`;
}
