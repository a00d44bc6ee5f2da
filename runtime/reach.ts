import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { ReadyHead } from './protocol/messages.ts';

/** Tries what a guest that broke out of V8 would try; true means that it got through. */
export async function probeReach(): Promise<ReadyHead['reach']> {
  return {
    // bubblewrap sets PWD, to the root that it made.
    env: Object.keys(process.env).some((name) => name !== 'PWD'),
    files: succeeds(() => readFileSync('/etc/passwd')),
    sockets: await canOpenSocket(),
    processes: succeeds(() => {
      const result = spawnSync('/bin/true');
      if (result.error !== undefined) throw result.error;
    }),
    // 0: the parent is outside of this process' world.
    parent: process.ppid !== 0 && succeeds(() => process.kill(process.ppid, 0)),
  };
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** Whether a TCP connection is more than refused by policy: a refusal by the peer proves that packets travel. */
function canOpenSocket(): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const socket = createConnection({ host: '127.0.0.1', port: 9 });
      socket.on('connect', () => resolve(true));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    } catch {
      resolve(false);
    }
  });
}
