import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { AssertError, Value } from '@sinclair/typebox/value';
import { readSecretFile } from '../secret-file.ts';
import { EXIT_USAGE, Failure } from './failure.ts';

const Credentials = Type.Object({ url: Type.String(), token: Type.String() });
type Credentials = Static<typeof Credentials>;

/** Where requests go and as whom. */
export interface Target {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string | null;
}

const DEFAULT_URL = 'http://127.0.0.1:3000';

/** The file that `login` writes, after the XDG base directory specification. */
export function credentialsPath(): string {
  const base = process.env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return join(base, 'streamspace', 'credentials.json');
}

/**
 * Finds the host to talk to: STREAMSPACE_URL and STREAMSPACE_TOKEN, else what `login` stored, else this machine.
 * A stored token goes only to the host that it was made by.
 */
export function findTarget(): Target {
  const stored = readCredentials();
  const url = normaliseUrl(process.env.STREAMSPACE_URL || stored?.url || DEFAULT_URL);
  const fromEnvironment = process.env.STREAMSPACE_TOKEN;
  if (fromEnvironment) return { url, token: fromEnvironment };
  return { url, token: stored !== null && stored.url === url ? stored.token : null };
}

/** Checks an address and brings it into the one form in which it is stored. Errors: `Failure` (usage). */
export function normaliseUrl(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Failure(`"${address}" is not an http or https address`, { exitCode: EXIT_USAGE });
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

/** Stores them, readable by their owner alone; whole or not at all. */
export async function writeCredentials(credentials: Credentials): Promise<void> {
  const path = credentialsPath();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, path);
}

/** Forgets them; nothing happens when there are none. */
export async function removeCredentials(): Promise<void> {
  await rm(credentialsPath(), { force: true });
}

/** What `login` stored; null when there is nothing. Errors: `Failure` when it cannot be used. */
export function readCredentials(): Credentials | null {
  const path = credentialsPath();
  try {
    const text = readSecretFile(path);
    return text === null ? null : Value.Parse(Credentials, JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof SyntaxError || cause instanceof AssertError ? 'it is damaged' : String(cause);
    throw new Failure(`${path} cannot be used: ${reason}`, { help: 'Run `streamspace login` again.', cause });
  }
}
