import { Argument, type Command } from 'commander';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { say } from '../terminal.ts';

/** `streamspace plugin switch`: what exists is for the host to say, which knows its rooms. */
export function addPluginSwitch(parent: Command): void {
  parent
    .command('switch')
    .description('cut one capability of a running plugin, or give it back')
    .argument('<plugin>', 'name')
    .argument('<capability>', 'such as fetch, storage, events, scheduler, api')
    .addArgument(new Argument('<state>').choices(['on', 'off']))
    .option('--reason <text>', 'why, for whoever looks at it later')
    .action(turn);
}

async function turn(
  name: string,
  capability: string,
  state: 'on' | 'off',
  { reason }: { readonly reason?: string },
): Promise<void> {
  const json = { on: state === 'on', ...(reason === undefined ? {} : { reason }) };
  await connect().call('PUT', pluginPath(name, `/switches/${encodeURIComponent(capability)}`), { json });
  say(`${capability} of ${name} is ${state}.`);
}
