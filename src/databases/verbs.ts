import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** What may stand before the first word: space, comments (these may be nested), parentheses of a query. */
const BEFORE = /(?:\s|--[^\n]*|\()+|\/\*/y;
const WORD = /[a-z]+/iy;

/** The first word of a statement in small letters, such as `select`; empty when there is none. */
export function verbOf(sql: string): string {
  let at = 0;
  for (;;) {
    BEFORE.lastIndex = at;
    const found = BEFORE.exec(sql)?.[0];
    if (found === undefined) break;
    at = found === '/*' ? afterComment(sql, at) : at + found.length;
  }
  WORD.lastIndex = at;
  return WORD.exec(sql)?.[0].toLowerCase() ?? '';
}

function afterComment(sql: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  let depth = 0;
  for (let found = mark.exec(sql); found !== null; found = mark.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return sql.length;
}

const ENDS_OR_BEGINS: ReadonlySet<string> = new Set(['abort', 'begin', 'commit', 'end', 'start']);
const POINTS: ReadonlySet<string> = new Set(['savepoint', 'release', 'rollback']);

/**
 * Refuses what would leave the core's idea of the session wrong. It is for good messages: what gets past it is noticed by
 * what the server says of the transaction, and by the guard of the wire.
 *
 * @throws CodedError `invalid_input`
 */
export function assertStatement(sql: string, verb: string, isInTransaction: boolean): void {
  if (verb === 'copy')
    throw new CodedError('invalid_input', 'sql: COPY is not available; use insert, or database.stream');
  const isWhole =
    ENDS_OR_BEGINS.has(verb) ||
    (verb === 'prepare' && /\bprepare\s+transaction\b/i.test(sql)) ||
    (verb === 'rollback' && !(isInTransaction && /\bto\b/i.test(sql)));
  if (isWhole || (!isInTransaction && POINTS.has(verb))) {
    throw new CodedError('invalid_input', `sql: ${verb.toUpperCase()} has no place here; use database.transaction`);
  }
}

/** Reads only, unless a function that it calls does more. */
const READS: ReadonlySet<string> = new Set(['select', 'values', 'table', 'show', 'with', 'explain', 'fetch', 'close']);
/** Gives space back, or takes none. */
const SHRINKS: ReadonlySet<string> = new Set([
  'delete',
  'truncate',
  'drop',
  'vacuum',
  'analyze',
  'set',
  'reset',
  'lock',
  'savepoint',
  'release',
  'rollback',
]);
const WRITES_WITHIN = /\b(insert|update|merge|create|into)\b/i;

/** What a statement does to the size of a database, judged by its words. */
export type Effect = 'reads' | 'shrinks' | 'grows';

export function effectOf(sql: string, verb: string): Effect {
  if (verb === 'select' || verb === 'table') return /\binto\b/i.test(sql) ? 'grows' : 'reads';
  if (READS.has(verb)) return WRITES_WITHIN.test(sql) ? 'grows' : 'reads';
  return SHRINKS.has(verb) ? 'shrinks' : 'grows';
}
