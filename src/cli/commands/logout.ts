import type { Command } from 'commander';
import { createClient } from '../client.ts';
import { readCredentials, removeCredentials } from '../credentials.ts';
import { note } from '../terminal.ts';

/** `streamspace logout`: ends the session at the host, and forgets it here in any case. */
export function addLogout(parent: Command): void {
  parent.command('logout').description('end the session of `login` and forget its token').action(logout);
}

async function logout(): Promise<void> {
  const stored = readCredentials();
  if (stored === null) {
    note('Nobody is signed in.');
    return;
  }
  await removeCredentials();
  await createClient(stored).call('POST', '/api/auth/logout');
  note(`Signed out of ${stored.url}.`);
}
