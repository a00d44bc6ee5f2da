import type { SchemaStatement } from './statement.ts';

/** Types of more than one word, which a cast may name; any other is one, perhaps qualified and quoted. */
const CAST =
  /::(?:character varying|double precision|bit varying|time(?:stamp)?(?:\(\d\))? with(?:out)? time zone|(?:"(?:[^"]|"")*"|[\w$])+(?:\.(?:"(?:[^"]|"")*"|[\w$])+)*)(?:\([\d, ]+\))?(?:\[\])*/g;

/**
 * What of a schema is not as it was: statements by kind and name, none when they are alike.
 *
 * Postgres writes an expression down from its parsed form, and what it wrote may parse into another that means the same,
 * with casts and parentheses in other places (`varchar in (...)` is the usual one). So these are not compared.
 *
 * @param sameServer false when the two servers' major versions differ: then only kinds and names are compared
 */
export function differences(
  before: readonly SchemaStatement[],
  after: readonly SchemaStatement[],
  sameServer: boolean,
): string[] {
  const counted = new Map<string, number>();
  const add = (statement: SchemaStatement, by: number): void => {
    // From PostgreSQL 18 on it is a constraint of the table, and no statement of its own.
    if (!sameServer && statement.kind === 'not null') return;
    const key = keyOf(statement, sameServer);
    counted.set(key, (counted.get(key) ?? 0) + by);
  };
  for (const statement of before) add(statement, 1);
  for (const statement of after) add(statement, -1);
  const odd = [...counted].filter(([, count]) => count !== 0).map(([key]) => key.slice(0, key.indexOf('\0')));
  return [...new Set(odd)];
}

function keyOf({ kind, name, sql }: SchemaStatement, sameServer: boolean): string {
  return `${kind} ${name}\0${sameServer ? essence(sql) : ''}`;
}

function essence(sql: string): string {
  return sql.replace(CAST, '').replace(/[()\s]/g, '');
}
