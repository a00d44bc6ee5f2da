import type { Command } from 'commander';
import type { PermissionText } from '../permissions/grants.ts';
import type { Client } from './client.ts';
import { Failure, type Problem, ProblemError } from './failure.ts';
import { findPlugin } from './plugins.ts';
import { ask, isInteractive, note, printable, table } from './terminal.ts';

export type Grants = 'all' | readonly string[];

/** What `--grant` and `--yes` were given. */
export interface GrantOptions {
  readonly grant?: string;
  readonly yes?: true;
}

/** Adds `--grant` and `--yes` to a command. */
export function withGrantOptions(command: Command): Command {
  return command
    .option('--grant <permissions>', 'grant exactly these: "all", or a list such as users:read,network:example.com')
    .option('-y, --yes', 'grant what it asks for without being asked');
}

/**
 * Does something that needs a plugin's permissions to be granted: first as the options say, and when the host wants more
 * than that, again with what was consented to.
 *
 * @param act does it, with the grants to send; undefined leaves them as they are
 * @throws Failure when consent was refused, or nobody could be asked
 */
export async function withConsent<T>(
  client: Client,
  plugin: string,
  options: GrantOptions,
  act: (grants: Grants | undefined) => Promise<T>,
): Promise<T> {
  const given = options.grant === undefined ? undefined : parseGrants(options.grant);
  try {
    return await act(given);
  } catch (error) {
    const asked = error instanceof ProblemError ? askedFor(error.problem) : null;
    if (asked === null) throw error;
    await consent(plugin, asked, options.yes === true);
    // A list takes the place of the one before, so it has to be whole.
    const before = (await findPlugin(client, plugin))?.grants ?? [];
    const named = given === undefined || given === 'all' ? [] : given;
    return act([...new Set([...before, ...named, ...asked.map(({ permission }) => permission)])]);
  }
}

function parseGrants(option: string): Grants {
  if (option === 'all') return option;
  return option.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

/** The permissions that the host wants consent for; null when the problem is another one. */
function askedFor(problem: Problem): readonly PermissionText[] | null {
  if (problem.code !== 'consent_required' || !Array.isArray(problem.permissions)) return null;
  return problem.permissions;
}

/** Shows what a plugin asks for, and returns when it was granted. */
async function consent(plugin: string, asked: readonly PermissionText[], yes: boolean): Promise<void> {
  note(`${printable(plugin)} asks for:`);
  const rows = asked.map(({ permission, description }) => [`  ${permission}`, description]);
  for (const line of table([['  permission', 'what it allows'], ...rows], process.stderr)) note(line);
  if (yes) return;
  if (!isInteractive()) {
    throw new Failure('Nothing was changed: there is no terminal to ask on.', {
      help: 'Grant them with --yes, or name them with --grant.',
    });
  }
  if (/^y(es)?$/i.test(await ask('Grant them? [y/N] '))) return;
  throw new Failure('Nothing was changed.');
}
