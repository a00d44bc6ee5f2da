import type { Command } from 'commander';
import { connect } from '../client.ts';
import { type GrantOptions, withGrantOptions } from '../consent.ts';
import { Failure } from '../failure.ts';
import { findPlugin, show } from '../plugins.ts';
import { note, printable } from '../terminal.ts';
import { readPackage, uploadPackage } from '../upload-package.ts';

/** `streamspace plugin upgrade`: another version of what is installed; what it was is kept as a restore point. */
export function addPluginUpgrade(parent: Command): void {
  const command = parent
    .command('upgrade')
    .description('put another version in the place of an installed one; when it fails, the old one goes on')
    .argument('<package>', 'a folder with a manifest.json, or a packed .tar.gz');
  withGrantOptions(command)
    .option('--downgrade', 'take a version that is older than the installed one')
    .action(upgrade);
}

async function upgrade(path: string, options: GrantOptions & { readonly downgrade?: true }): Promise<void> {
  const named = await readPackage(path);
  const { name, version } = named.manifest;
  const client = connect();
  const before = await findPlugin(client, name);
  if (before === null) {
    throw new Failure(`${name} is not installed`, { help: `Install it with \`streamspace plugin install ${path}\`.` });
  }
  const { downgrade = false } = options;
  // Whether it is enabled is not for an upgrade to change.
  show(await uploadPackage(client, named, { ...options, config: null, enable: false, downgrade }), client);
  if (before.version === version) return;
  note(
    printable(`It was ${before.version}: \`streamspace plugin rollback ${name}\` goes back, with its data of then.`),
  );
}
