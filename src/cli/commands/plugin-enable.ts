import type { Command } from 'commander';
import { connect } from '../client.ts';
import { type GrantOptions, withConsent, withGrantOptions } from '../consent.ts';
import { type ConfigOptions, readConfig, withConfigOptions } from '../install-config.ts';
import { findPlugin, type PluginView, pluginPath, show } from '../plugins.ts';

/** `streamspace plugin enable`: for plugins that come with the core also the place to grant and configure. */
export function addPluginEnable(parent: Command): void {
  const command = parent
    .command('enable')
    .description('load an installed plugin and take its routes, jobs and events into use')
    .argument('<plugin>', 'name');
  withConfigOptions(withGrantOptions(command)).action(enable);
}

async function enable(name: string, options: GrantOptions & ConfigOptions): Promise<void> {
  const client = connect();
  const config = await readConfig(options, async () => (await findPlugin(client, name))?.config ?? {});
  const plugin = await withConsent(client, name, options, (grants) =>
    config === null
      ? client.call<PluginView>('POST', pluginPath(name, '/enable'), { json: { grants } })
      : client.call<PluginView>('PATCH', pluginPath(name), { json: { enabled: true, config, grants } }),
  );
  show(plugin, client);
}
