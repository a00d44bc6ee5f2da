import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { version } from '../../../package.json' with { type: 'json' };
import { Failure } from '../failure.ts';
import { SDK_PLACE, writeSdk } from '../sdk-types.ts';
import { say } from '../terminal.ts';

/** `streamspace plugin types`: for a plugin that was checked out, and after the platform was upgraded. */
export function addPluginTypes(parent: Command): void {
  parent
    .command('types')
    .description('write the types of @streamspace/sdk where the editor finds them')
    .argument('[folder]', 'the folder with its manifest.json', '.')
    .action(types);
}

async function types(given: string): Promise<void> {
  const folder = resolve(given);
  await access(join(folder, 'manifest.json')).catch((cause: unknown) => {
    throw new Failure(`${folder} has no manifest.json; nothing was written`, { cause });
  });
  await writeSdk(folder);
  say(`${SDK_PLACE}: the types of StreamSpace ${version}`);
}
