import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ReadyHead } from './protocol/messages.ts';

/** Input, output, errors, channel. */
const OWN_DESCRIPTORS = 4;
/** As many as the confinement allows a process, and more. */
const DESCRIPTORS = 1_024;
const TYPE = 0o170000;
const PIPE = 0o010000;

// At once: what this process opens later for itself cannot be told from what it was given.
// (So nothing that is imported before may open a file: `node:util` has Node open /dev/null.)
const inherited = inheritsDescriptors();

/** Tries what a guest that broke out of V8 would try; true means that it got through. */
export async function probeReach(): Promise<ReadyHead['reach']> {
  return {
    // bubblewrap sets PWD, to the root that it made.
    env: Object.keys(process.env).some((name) => name !== 'PWD'),
    files: reachesFiles(),
    sockets: await reachesSockets(),
    processes: reachesProcesses(),
    parent: reachesParent(),
    descriptors: inherited,
  };
}

/** Reads what every system has and everybody may read; writes wherever somebody may. */
function reachesFiles(): boolean {
  const name = `.streamspace-probe-${process.pid}`;
  return (
    ['/etc/passwd', '/etc/hostname', '/proc/1/cmdline'].some((path) => succeeds(() => readFileSync(path))) ||
    ['/home', '/root', '/var'].some((path) => succeeds(() => readdirSync(path))) ||
    ['/tmp', '/dev/shm', '/var/tmp', process.cwd(), import.meta.dirname].some((folder) =>
      succeeds(() => writeFileSync(join(folder, name), '', { flag: 'wx' })),
    )
  );
}

function reachesProcesses(): boolean {
  const spawns = succeeds(() => {
    const { error } = spawnSync(process.execPath, ['--version']);
    if (error !== undefined) throw error;
  });
  // In a world of its own this process is the first.
  const signals = process.pid !== 1 && succeeds(() => process.kill(1, 0));
  const sees = succeeds(() => {
    const others = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid));
    if (others.length === 0) throw new Error('nobody else is there');
  });
  return spawns || signals || sees;
}

function reachesParent(): boolean {
  const { ppid } = process;
  // 0: the parent is outside of this process' world.
  if (ppid === 0) return false;
  const opens = (file: string) => succeeds(() => closeSync(openSync(`/proc/${ppid}/${file}`, 'r')));
  return succeeds(() => process.kill(ppid, 0)) || opens('environ') || opens('mem') || opens('fd/0');
}

/** Whether it has anything open besides its own: files, folders, devices, sockets, one end of a pipe. */
function inheritsDescriptors(): boolean {
  const pipes: number[] = [];
  for (let descriptor = OWN_DESCRIPTORS; descriptor < DESCRIPTORS; descriptor++) {
    try {
      const { mode, ino } = fstatSync(descriptor);
      if ((mode & TYPE) === PIPE) pipes.push(ino);
      // Without a type: what Node waits for events with.
      else if ((mode & TYPE) !== 0) return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
    }
  }
  // Node's own have both ends here.
  return pipes.some((ino) => pipes.filter((other) => other === ino).length !== 2);
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a packet leaves, or is more than refused by policy: a refusal by the peer proves that packets travel. To listen
 * is not tried: Node refuses that with an exception that nobody can catch.
 */
async function reachesSockets(): Promise<boolean> {
  const connects = attempt((done, failed) => {
    const socket = connect({ host: '127.0.0.1', port: 9 }, done);
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? done() : failed()));
    return () => socket.destroy();
  });
  const sends = attempt((done, failed) => {
    const socket = createSocket('udp4').on('error', failed);
    socket.send('', 9, '127.0.0.1', (error) => (error === null ? done() : failed()));
    return () => socket.close();
  });
  return (await Promise.all([connects, sends])).includes(true);
}

/** Starts something, and answers whether it succeeded; ended either way. */
async function attempt(start: (done: () => void, failed: () => void) => () => unknown): Promise<boolean> {
  let end: () => unknown = () => undefined;
  const answer = await new Promise<boolean>((resolve) => {
    try {
      end = start(
        () => resolve(true),
        () => resolve(false),
      );
    } catch {
      resolve(false);
    }
  });
  succeeds(end);
  return answer;
}
