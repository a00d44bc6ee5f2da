import type pg from 'pg';
import { BACKUP_LIMITS } from '../limits.ts';

/** What decides how values and names are written; a plugin may have set each of them for its role. */
const PLAIN = [
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['datestyle', 'ISO'],
  ['intervalstyle', 'postgres'],
  ['timezone', 'UTC'],
  ['extra_float_digits', '1'],
  ['bytea_output', 'hex'],
  ['lc_monetary', 'C'],
  ['xmloption', 'content'],
  ['quote_all_identifiers', 'off'],
  ['statement_timeout', '0'],
  ['idle_in_transaction_session_timeout', '0'],
  ['lock_timeout', String(BACKUP_LIMITS.lockMs)],
  ['default_transaction_read_only', 'off'],
  // An error where rows would be left out.
  ['row_security', 'off'],
] as const;

/** Makes a session read and write a schema the same way whoever's it is. `search_path` first: nothing is found by accident. */
export async function settle(session: pg.Client, searchPath: '' | 'plugin', more: readonly [string, string][] = []) {
  const settings = [['search_path', searchPath], ...PLAIN, ...more];
  await session.query(settings.map(([name, value]) => `set ${name} = '${value}'`).join('; '));
}
