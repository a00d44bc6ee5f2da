import type { Command } from 'commander';
import type { KeyStatus } from '../../secrets/rotation.ts';
import { connect } from '../client.ts';
import { printable, say } from '../terminal.ts';

/** `streamspace secrets status`. */
export function addSecretsStatus(parent: Command): void {
  parent
    .command('status')
    .description('show which key seals the secrets, how many there are, and when it was rotated')
    .option('--json', 'as the REST API answers it')
    .action(status);
}

async function status(options: { readonly json?: true }): Promise<void> {
  const found = await connect().call<KeyStatus>('GET', '/api/secrets');
  if (options.json) {
    say(JSON.stringify(found, null, 2));
    return;
  }
  const { keyId, source, values, rotatedAt, rotating } = found;
  say(`key      ${printable(keyId)} (${source === 'file' ? 'in the data folder' : 'from the environment'})`);
  say(`secrets  ${values}`);
  say(`rotated  ${rotatedAt ?? 'never'}`);
  if (rotating !== null) say(`A rotation is under way: ${rotating.done} of ${rotating.values}.`);
}
