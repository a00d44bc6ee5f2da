import type { Command } from 'commander';
import { connect } from '../client.ts';
import { type GrantOptions, withGrantOptions } from '../consent.ts';
import { type ConfigOptions, readConfig, withConfigOptions } from '../install-config.ts';
import { findPlugin, show } from '../plugins.ts';
import { readPackage, uploadPackage } from '../upload-package.ts';

interface Options extends GrantOptions, ConfigOptions {
  readonly enable: boolean;
  readonly downgrade?: true;
}

/** `streamspace plugin install`: packs a folder on the fly, uploads, and asks for what the plugin may do. */
export function addPluginInstall(parent: Command): void {
  const command = parent
    .command('install')
    .description('install a plugin, or another version of one, in the running host')
    .argument('<package>', 'a folder with a manifest.json, or a packed .tar.gz');
  withConfigOptions(withGrantOptions(command))
    .option('--no-enable', 'install it, and leave it disabled')
    .option('--downgrade', 'take a version that is older than the installed one')
    .action(install);
}

async function install(path: string, options: Options): Promise<void> {
  const named = await readPackage(path);
  const client = connect();
  const config = await readConfig(options, async () => (await findPlugin(client, named.manifest.name))?.config ?? {});
  const { downgrade = false } = options;
  show(await uploadPackage(client, named, { ...options, config, downgrade }), client);
}
