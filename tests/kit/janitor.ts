/** Cleans up after a child, also when this process is killed before it can do so itself. */
export interface Janitor {
  /** Everything was cleaned up in order: the janitor has nothing to do any more. */
  dismiss(): Promise<void>;
}

/** A shell that outlives this process: when its input ends without a word, it kills the child and removes the folder. */
export function hireJanitor(pid: number, folder: string): Janitor {
  const script = 'read -r word && exit 0; kill -KILL "$0" 2>/dev/null; rm -rf -- "$1"';
  const stdio = { stdin: 'pipe', stdout: 'ignore', stderr: 'ignore' } as const;
  const shell = Bun.spawn(['/bin/sh', '-c', script, String(pid), folder], { ...stdio, detached: true });
  shell.unref();
  return {
    async dismiss() {
      shell.stdin.write('done\n');
      await shell.stdin.end();
      await shell.exited;
    },
  };
}
