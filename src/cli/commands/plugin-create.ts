import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { isReservedName } from '../../packages/manifest-rules.ts';
import { NAME_PATTERN } from '../../packages/manifest-schema.ts';
import { findTarget } from '../credentials.ts';
import { EXIT_USAGE, Failure } from '../failure.ts';
import { scaffold } from '../scaffold.ts';
import { writeSdk } from '../sdk-types.ts';
import { note, say } from '../terminal.ts';

interface Options {
  readonly dir?: string;
  readonly js?: true;
}

/** `streamspace plugin create`: a folder with a plugin that works as it is. */
export function addPluginCreate(parent: Command): void {
  parent
    .command('create')
    .description('start a new plugin in a folder of its own')
    .argument('<name>', 'lower-case letters, digits and dashes, such as team-calendar')
    .option('--dir <folder>', 'where to make it (default: ./<name>)')
    .option('--js', 'JavaScript instead of TypeScript')
    .action(create);
}

async function create(name: string, options: Options): Promise<void> {
  if (!new RegExp(NAME_PATTERN).test(name) || isReservedName(name)) {
    throw new Failure(`"${name}" cannot be the name of a plugin`, {
      help: 'It has 3 to 63 lower-case letters, digits and dashes, a letter first, and is no word of the platform.',
      exitCode: EXIT_USAGE,
    });
  }
  const folder = resolve(options.dir ?? name);
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Failure(`${folder} is not empty; nothing was written`);
  const language = options.js ? 'js' : 'ts';
  const files = scaffold(name, { language, host: findTarget().url });
  for (const [path, content] of Object.entries(files)) await writeFile(join(folder, path), content, { flag: 'wx' });
  await writeSdk(folder);

  const path = relative(process.cwd(), folder) || '.';
  const shown = path.startsWith('../..') ? folder : path;
  say(`${shown}: ${Object.keys(files).join(', ')}`);
  note(`Next, install it in the running host:        streamspace plugin install ${shown}`);
  note(`or start the host with every saved change live:  PLUGIN_DIRS=${dirname(folder)}`);
}
