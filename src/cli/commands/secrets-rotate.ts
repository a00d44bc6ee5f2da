import type { Command } from 'commander';
import type { Moved } from '../../secrets/open-keys.ts';
import type { KeyStatus } from '../../secrets/rotation.ts';
import { type Client, connect } from '../client.ts';
import { note, printable, say, withProgress } from '../terminal.ts';

/** `streamspace secrets rotate`. */
export function addSecretsRotate(parent: Command): void {
  parent
    .command('rotate')
    .description('make a new key and seal every secret with it (the host goes on meanwhile)')
    .option('--json', 'as the REST API answers it')
    .action(rotate);
}

async function rotate(options: { readonly json?: true }): Promise<void> {
  const client = connect();
  const work = client.call<Moved>('POST', '/api/secrets/rotate');
  const { keyId, previousKeyId, values } = await withProgress(progressOf(client), work);
  if (options.json) {
    say(JSON.stringify({ keyId, previousKeyId, values }, null, 2));
    return;
  }
  say(`${values} secrets are sealed with the key ${printable(keyId)}.`);
  note(`Make a backup: those from before need the key ${printable(previousKeyId)}, which is gone from the host.`);
}

/** Asks each time for what the next time says. */
function progressOf(client: Client): () => string {
  let label = 'Sealing the secrets,';
  return () => {
    client.call<KeyStatus>('GET', '/api/secrets').then(
      ({ rotating }) => {
        if (rotating !== null) label = `Sealing the secrets: ${rotating.done} of ${rotating.values},`;
      },
      // The rotation itself says what is wrong.
      () => undefined,
    );
    return label;
  };
}
