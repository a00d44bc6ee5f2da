import { join } from 'node:path';

const node = join(import.meta.dir, `../../node_modules/node-${process.platform}-${process.arch}/bin/node`);

/** Runs the body of an async function in the pinned Node, with its own `require` as `__require`: what ours has to equal. */
export async function inNode(code: string): Promise<unknown> {
  // Timers of signals alone would not keep it running.
  const script = `const __require = require; const alive = setInterval(() => {}, 1000); (async () => {${code}\n})().then((value) => console.log(JSON.stringify({ value }))).finally(() => clearInterval(alive));`;
  const child = Bun.spawn([node, '--no-deprecation', '-e', script], {
    stdout: 'pipe',
    stderr: 'pipe',
    env: {},
    cwd: '/',
  });
  const [said, complaint] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(complaint);
  return (JSON.parse(said) as { value: unknown }).value;
}
