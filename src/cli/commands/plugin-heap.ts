import type { Command } from 'commander';
import { connect } from '../client.ts';
import { saveTo } from '../dev/save.ts';
import { pluginPath } from '../plugins.ts';
import { note, printable, withProgress } from '../terminal.ts';
import { secondsOf } from './plugin-profile.ts';

interface Options {
  readonly after: number;
  readonly out?: string;
}

/** `streamspace plugin heap`: what is in a plugin's memory. */
export function addPluginHeap(parent: Command): void {
  parent
    .command('heap')
    .description("take down what is in a plugin's memory, in a file for DevTools (.heapsnapshot)")
    .argument('<plugin>', 'name')
    .option(
      '--after <seconds>',
      'for how long it works before, in a new isolate: what leaks has to come about',
      secondsOf,
      0,
    )
    .option('-o, --out <file>', 'where to write it (default: <plugin>.heapsnapshot)')
    .action(heap);
}

async function heap(name: string, { after, out = `${name}.heapsnapshot` }: Options): Promise<void> {
  const asked = connect().download('POST', pluginPath(name, '/heap-snapshot'), { json: { afterSeconds: after } });
  await saveTo(out, await withProgress(`Waiting for the memory of ${printable(name)}`, asked));
  note('Open it in DevTools: Memory, Load profile. It may hold secrets of the plugin.');
}
