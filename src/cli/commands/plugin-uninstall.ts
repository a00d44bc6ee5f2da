import type { Command } from 'commander';
import { connect } from '../client.ts';
import { EXIT_USAGE, Failure } from '../failure.ts';
import { pluginPath } from '../plugins.ts';
import { ask, isInteractive, say } from '../terminal.ts';

interface Options {
  readonly keepData?: true;
  readonly yes?: true;
}

/** `streamspace plugin uninstall`: asks first, because the data goes with the plugin. */
export function addPluginUninstall(parent: Command): void {
  parent
    .command('uninstall')
    .description('remove a plugin, and what it stored')
    .argument('<plugin>', 'name')
    .option('--keep-data', 'keep what it stored for a later install')
    .option('-y, --yes', 'do not ask')
    .action(uninstall);
}

async function uninstall(name: string, options: Options): Promise<void> {
  if (!options.keepData && !options.yes) await confirm(name);
  const data = options.keepData ? 'keep' : 'drop';
  await connect().call('DELETE', pluginPath(name, `?data=${data}`));
  say(`${name} is removed; its data is ${options.keepData ? 'kept' : 'dropped'}.`);
}

async function confirm(name: string): Promise<void> {
  if (!isInteractive()) {
    throw new Failure('Say what is to become of its data: --keep-data, or --yes to drop it', { exitCode: EXIT_USAGE });
  }
  const answer = await ask(`Remove ${name} and all that it stored? [y/N] `);
  if (!/^y(es)?$/i.test(answer)) throw new Failure('Nothing was changed.');
}
