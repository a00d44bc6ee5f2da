import type { Command } from 'commander';
import { connect } from '../client.ts';
import { type PluginView, pluginPath, show } from '../plugins.ts';
import { note, printable, say, withProgress } from '../terminal.ts';
import { listRestorePoints, parsePoint } from './plugin-restore-points.ts';

interface Options {
  readonly to?: number;
  readonly keepData?: true;
  readonly json?: true;
}

/** `streamspace plugin rollback`: what it was before becomes a restore point, so nothing is asked. */
export function addPluginRollback(parent: Command): void {
  parent
    .command('rollback')
    .description('bring a plugin back to what it was: code, configuration and data together')
    .argument('<plugin>', 'name')
    .argument('[version]', 'the version to go back to (default: that of the newest restore point)')
    .option('--to <number>', 'the restore point to go back to', parsePoint)
    .option('--keep-data', 'leave what it has stored as it is now')
    .option('--json', 'as the REST API answers')
    .action(rollback);
}

async function rollback(name: string, version: string | undefined, { to, keepData, json }: Options): Promise<void> {
  const client = connect();
  const body = {
    ...(to === undefined ? {} : { restorePoint: to }),
    ...(version === undefined ? {} : { version }),
    data: keepData ? 'keep' : 'restore',
  };
  const rolled = client.call<PluginView>('POST', pluginPath(name, '/rollback'), { json: body });
  const plugin = await withProgress(`Rolling ${printable(name)} back`, rolled);
  if (json) {
    say(JSON.stringify(plugin, null, 2));
    return;
  }
  show(plugin, client);
  const before = (await listRestorePoints(name)).find(({ reason }) => reason === 'rollback');
  if (before === undefined) return;
  note(printable(`It was ${before.version}: \`streamspace plugin rollback ${name} --to ${before.id}\` undoes this.`));
}
