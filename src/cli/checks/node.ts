import type { Config } from '../../config.ts';
import { hostFiles } from '../../host/files.ts';
import { type Finding, reason, run } from './check.ts';

/** The pinned Node that isolates run in: it starts, and isolated-vm loads and makes an isolate in it. */
export async function checkNode({ isolateHost }: Pick<Config, 'isolateHost'>): Promise<Finding> {
  if (isolateHost !== null) return { name: 'isolates', state: 'ok', detail: 'Node is in another container' };
  try {
    const { node, entry } = hostFiles();
    // As the host does it: resolved from its own code, in a Node without a start-up snapshot.
    const script = `
      const ivm = require('node:module').createRequire(process.argv[1])('isolated-vm');
      const isolate = new ivm.Isolate({ memoryLimit: 8 });
      const answer = isolate.createContextSync().evalSync('6 * 7');
      isolate.dispose();
      if (answer !== 42) throw new Error('the isolate answered ' + answer);
      console.log(process.version);`;
    const version = await run([node, '--no-node-snapshot', '-e', script, entry]);
    return { name: 'isolates', state: 'ok', detail: `Node ${version} with isolated-vm (${node})` };
  } catch (error) {
    return {
      name: 'isolates',
      state: 'fail',
      detail: reason(error),
      help: 'Run `bun install`; on another platform than Linux or macOS use the container image.',
    };
  }
}
