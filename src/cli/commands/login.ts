import { stdin } from 'node:process';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { createClient } from '../client.ts';
import { credentialsPath, findTarget, normaliseUrl, writeCredentials } from '../credentials.ts';
import { EXIT_USAGE, Failure } from '../failure.ts';
import { ask, isInteractive, note } from '../terminal.ts';

interface Options {
  readonly email?: string;
  readonly passwordStdin?: true;
}

/** `streamspace login`: signs in and keeps the token for the other commands. */
export function addLogin(parent: Command): void {
  parent
    .command('login')
    .description('sign in to a host and remember it')
    .argument('[url]', 'address of the host (default: STREAMSPACE_URL, the last one, or http://127.0.0.1:3000)')
    .option('--email <address>', 'whom to sign in (asked for when left out)')
    .option('--password-stdin', 'read the password from standard input')
    .action(login);
}

async function login(address: string | undefined, options: Options): Promise<void> {
  const url = address === undefined ? findTarget().url : normaliseUrl(address);
  const email = options.email ?? (await askFor('email: ', '--email'));
  const password = options.passwordStdin
    ? (await text(stdin)).replace(/\r?\n$/, '')
    : await askFor('password: ', '--password-stdin', true);
  const client = createClient({ url, token: null });
  const { token } = await client.call<{ token: string }>('POST', '/api/auth/login', { json: { email, password } });
  await writeCredentials({ url, token });
  note(`Signed in to ${url} as ${email}; the token is in ${credentialsPath()}.`);
}

async function askFor(question: string, option: string, secret = false): Promise<string> {
  if (!isInteractive()) throw new Failure(`There is no terminal to ask on: use ${option}`, { exitCode: EXIT_USAGE });
  return ask(question, { secret });
}
