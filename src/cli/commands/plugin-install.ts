import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Manifest } from '../../packages/manifest.ts';
import { readArchive } from '../../packages/read.ts';
import { connect } from '../client.ts';
import { type GrantOptions, withConsent, withGrantOptions } from '../consent.ts';
import { Failure } from '../failure.ts';
import { type ConfigOptions, readConfig, withConfigOptions } from '../install-config.ts';
import { archiveName, packFolder, readManifest } from '../pack.ts';
import { findPlugin, type PluginView, show } from '../plugins.ts';
import { withProgress } from '../terminal.ts';

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
  const { manifest, file } = await readPackage(resolve(path));
  const client = connect();
  const config = await readConfig(options, async () => (await findPlugin(client, manifest.name))?.config ?? {});
  const plugin = await withConsent(client, manifest.name, options, (grants) => {
    const form = new FormData();
    form.set('package', file);
    form.set('enable', String(options.enable));
    form.set('downgrade', String(options.downgrade === true));
    if (grants !== undefined) form.set('grants', grants === 'all' ? grants : JSON.stringify(grants));
    if (config !== null) form.set('config', JSON.stringify(config));
    const label = `Uploading ${file.name} (${Math.ceil(file.size / 1024)} KB)`;
    return withProgress(label, client.call<PluginView>('POST', '/api/plugins/install', { form }));
  });
  show(plugin, client);
}

/** The package that is uploaded: packed here when it is a folder, as it is otherwise; its manifest is read either way. */
async function readPackage(path: string): Promise<{ manifest: Manifest; file: File }> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(`${path} cannot be read: ${cause.code ?? cause.message}`, { cause });
  });
  if (found.isDirectory()) {
    const { manifest, archive } = await packFolder(path);
    return { manifest, file: new File([archive], archiveName(manifest), { type: 'application/gzip' }) };
  }
  const archive = new Uint8Array(await readFile(path));
  const manifest = readManifest(await readArchive(archive));
  return { manifest, file: new File([archive], basename(path), { type: 'application/gzip' }) };
}
