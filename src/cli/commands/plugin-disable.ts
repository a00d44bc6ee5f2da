import type { Command } from 'commander';
import { changeState } from '../plugins.ts';

/** `streamspace plugin disable`. */
export function addPluginDisable(parent: Command): void {
  parent
    .command('disable')
    .description('stop a plugin; what it stored stays')
    .argument('<plugin...>', 'names')
    .action((names: readonly string[]) => changeState(names, 'disable'));
}
