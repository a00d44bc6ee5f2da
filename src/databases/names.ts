import { randomBytes } from 'node:crypto';

const RANDOM_BYTES = 8;
const ANY = /\bss_[0-9a-z]+_[0-9a-f]{16}\b/g;

/**
 * Names of the plugins' databases and roles on a server that others may use too. Nobody learns from one whose it is.
 *
 * @param databaseOid oid of the core's own database: what two installations on one server never share
 */
export function createNames(databaseOid: number) {
  const prefix = `ss_${databaseOid.toString(36)}_`;
  return {
    /** Of all that this installation made. */
    prefix,
    /** A new one. */
    next: (): string => `${prefix}${randomBytes(RANDOM_BYTES).toString('hex')}`,
  };
}

export type Names = ReturnType<typeof createNames>;

/** Whether it is one of any installation: such a name needs no quotes in SQL. */
export function isName(text: string): boolean {
  return text.match(ANY)?.[0] === text;
}

/** @throws Error when it is none, before it becomes part of a statement */
export function checkedName(text: string): string {
  if (!isName(text)) throw new Error(`${JSON.stringify(text)} is no name of a plugin's database or role`);
  return text;
}

/** The text without any such name. */
export function withoutNames(text: string): string {
  return text.replace(ANY, 'plugin');
}
