import { POSTGRES_ENV } from './launcher.ts';

export interface Guard {
  /** Ends the guard without its act. */
  dismiss(): void;
}

/**
 * Sends SIGINT to a process when this one dies, where the kernel cannot do it (see `makeLauncher`): a shell waits for
 * the end of a pipe that only this process holds open.
 */
export function guardOver(pid: number): Guard {
  const shell = Bun.spawn(['/bin/sh', '-c', 'read -r _; kill -INT "$0"', String(pid)], {
    env: POSTGRES_ENV,
    detached: true,
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  shell.unref();
  // The pipe must live as long as the guard does: what is held here is not collected.
  const pipe = shell.stdin;
  return {
    dismiss: () => {
      shell.kill('SIGKILL');
      void pipe.end();
    },
  };
}
