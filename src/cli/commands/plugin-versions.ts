import type { Command } from 'commander';
import type { VersionView } from '../../plugins/rollbacks.ts';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { say, table } from '../terminal.ts';

/** `streamspace plugin versions`. */
export function addPluginVersions(parent: Command): void {
  parent
    .command('versions')
    .description('show the versions that a plugin had, newest first, and what is kept of them')
    .argument('<plugin>', 'name')
    .option('--json', 'as the REST API answers them')
    .action(versions);
}

async function versions(name: string, options: { readonly json?: true }): Promise<void> {
  const path = pluginPath(name, '/versions');
  const found = (await connect().call<{ versions: readonly VersionView[] }>('GET', path)).versions;
  if (options.json) {
    say(JSON.stringify(found, null, 2));
    return;
  }
  const rows = found.map(({ version, installedAt, current, codeKept, restorePoint }) => [
    current ? `${version} *` : version,
    installedAt,
    codeKept ? 'kept' : 'not kept',
    restorePoint === null ? '' : String(restorePoint),
  ]);
  for (const line of table([['VERSION', 'INSTALLED', 'CODE', 'RESTORE POINT'], ...rows])) say(line);
}
