import type { Config } from '../config.ts';
import type { KeySource } from './key-source.ts';
import { encodeKey } from './key-text.ts';

/** Whose secrets they are, for the redactor: no plugin can be called so. */
export const OWN_SECRETS = 'the core itself';
/** Characters of a password below which it may be a word that the log is full of. */
const PASSWORD_CHARS = 12;

/** What the core itself must not tell, for the last look at its log. */
export function ownSecrets(
  { adminPassword, databaseUrl, tracing }: Pick<Config, 'adminPassword' | 'databaseUrl'> & Partial<Config>,
  source: KeySource,
): string[] {
  const url = databaseUrl === null ? null : URL.parse(databaseUrl);
  const passwords = [adminPassword ?? '', url === null ? '' : decodeURIComponent(url.password)];
  const keys = source.read().flatMap((key) => [encodeKey(key), Buffer.from(key).toString('hex')]);
  const tokens = [...Object.values(tracing?.headers ?? {}), URL.parse(tracing?.url ?? '')?.password ?? ''];
  return [...keys, ...[...passwords, ...tokens].filter((password) => password.length >= PASSWORD_CHARS)];
}
