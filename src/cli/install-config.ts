import { readFile } from 'node:fs/promises';
import { stdin } from 'node:process';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT_USAGE, Failure } from './failure.ts';

/** What `--config` and `--set` were given. */
export interface ConfigOptions {
  readonly config?: string;
  readonly set: readonly Assignment[];
}

type Assignment = readonly [key: string, value: unknown];

/** Adds `--config` and `--set` to a command. */
export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'JSON file with its whole configuration; - reads standard input')
    .option('--set <key=value>', 'one value of the configuration, JSON or else text (may be repeated)', collect, []);
}

/**
 * The configuration to send; null when neither option was used. `--config` is all of it; `--set` changes single values of
 * that, or of what the plugin has (`current`). A value of `--set` is JSON when it reads as JSON (`--set retries=3`), else
 * text.
 *
 * @throws Failure (usage) for a file that is no JSON object
 */
export async function readConfig(
  { config: file, set }: ConfigOptions,
  current: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<Record<string, unknown> | null> {
  if (file === undefined && set.length === 0) return null;
  const base = file === undefined ? await current() : await readObject(file);
  return { ...base, ...Object.fromEntries(set) };
}

function collect(assignment: string, before: readonly Assignment[]): readonly Assignment[] {
  const at = assignment.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It has to be key=value.');
  return [...before, [assignment.slice(0, at), parseValue(assignment.slice(at + 1))]];
}

async function readObject(file: string): Promise<Record<string, unknown>> {
  let written: string;
  try {
    written = file === '-' ? await text(stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`--config ${file} cannot be used: ${reason}`, { exitCode: EXIT_USAGE, cause });
  }
  // What a parser says quotes the text, which may hold secrets.
  const value = parseValue(written);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Failure(`--config ${file} cannot be used: it is not a JSON object`, { exitCode: EXIT_USAGE });
}

function parseValue(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}
