import type { Command } from 'commander';
import { connect } from '../client.ts';
import type { PluginView } from '../plugins.ts';
import { note, say, table } from '../terminal.ts';

/** `streamspace plugin list`. */
export function addPluginList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description('show the installed plugins')
    .option('--json', 'as the REST API answers them')
    .action(list);
}

async function list(options: { readonly json?: true }): Promise<void> {
  const { plugins } = await connect().call<{ plugins: readonly PluginView[] }>('GET', '/api/plugins');
  if (options.json) {
    say(JSON.stringify(plugins, null, 2));
    return;
  }
  if (plugins.length === 0) {
    note('No plugins are installed. `streamspace plugin install <folder>` installs one.');
    return;
  }
  const rows = plugins.map((plugin) => [plugin.name, plugin.version, plugin.state, plugin.error?.message ?? '']);
  const [heading = '', ...lines] = table([['NAME', 'VERSION', 'STATE', 'ERROR'], ...rows]);
  say(heading);
  for (const line of lines) say(line);
}
