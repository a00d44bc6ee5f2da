import type { Command } from 'commander';
import { changeState } from '../plugins.ts';

/** `streamspace plugin reload`. */
export function addPluginReload(parent: Command): void {
  parent
    .command('reload')
    .description('load a plugin anew beside the running one, and swap')
    .argument('<plugin...>', 'names')
    .action((names: readonly string[]) => changeState(names, 'reload'));
}
