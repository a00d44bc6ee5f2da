import { type Command, InvalidArgumentError } from 'commander';
import { connect } from '../client.ts';
import { saveTo } from '../dev/save.ts';
import { pluginPath } from '../plugins.ts';
import { note, printable, withProgress } from '../terminal.ts';

interface Options {
  readonly seconds: number;
  readonly out?: string;
}

/** `streamspace plugin profile`: where a plugin spends its time. */
export function addPluginProfile(parent: Command): void {
  parent
    .command('profile')
    .description('measure where a plugin spends its time, in a file for DevTools (.cpuprofile)')
    .argument('<plugin>', 'name')
    .option('-s, --seconds <count>', 'for how long, up to 60', secondsOf, 5)
    .option('-o, --out <file>', 'where to write it (default: <plugin>.cpuprofile)')
    .action(profile);
}

async function profile(name: string, { seconds, out = `${name}.cpuprofile` }: Options): Promise<void> {
  const asked = connect().download('POST', pluginPath(name, '/profile'), { json: { seconds } });
  await saveTo(out, await withProgress(`Measuring ${printable(name)} for ${seconds} s`, asked));
  note('Open it in DevTools: Performance, Load profile.');
}

/** A number of seconds of the command line. */
export function secondsOf(value: string): number {
  const seconds = Number(value);
  if (/^\d{1,2}(\.\d{1,3})?$/.test(value) && seconds <= 60) return seconds;
  throw new InvalidArgumentError('It is a number of seconds, up to 60.');
}
