/** One statement of a script, and where it is. */
export interface ScriptStatement {
  readonly sql: string;
  /** Line of the script in which it begins, from 1. */
  readonly line: number;
  /** Its first word in small letters, such as `create`. */
  readonly word: string;
}

/**
 * What a script is made of, as Postgres' scanner takes it (docs: SQL Syntax, Lexical Structure): space and line comments;
 * the beginnings of comments, of strings with backslashes and of dollar quotes; other strings and quoted names; words; any
 * other character.
 */
const TOKEN =
  /(?<space>\s+|--[^\n]*)|(?<comment>\/\*)|(?<escaped>[eE]')|'[^']*'?|"[^"]*"?|(?<tag>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|\d[\w.]*|./sy;

/**
 * Takes a script apart at its semicolons, by the rules of psql: none inside quotes, comments, parentheses or the body of a
 * `begin atomic` function ends a statement. Whatever it is, the pieces in their order are the script.
 *
 * @param script SQL as `psql -f` reads it, without its backslash commands
 */
export function splitScript(script: string): ScriptStatement[] {
  const statements: ScriptStatement[] = [];
  let start = -1;
  let line = 1;
  let counted = 0;
  let parentheses = 0;
  let words: string[] = [];
  let blocks = 0;
  const end = (at: number): void => {
    if (start !== -1) {
      line += script.slice(counted, start).split('\n').length - 1;
      counted = start;
      statements.push({ sql: script.slice(start, at), line, word: words[0] ?? '' });
    }
    start = -1;
    parentheses = 0;
    words = [];
    blocks = 0;
  };

  for (let at = 0; at < script.length; ) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(script);
    if (match === null) break;
    const token = match[0];
    const { space, comment, escaped, tag, word } = match.groups ?? {};
    if (comment !== undefined) {
      at = skipComment(script, at);
      continue;
    }
    if (space === undefined && token !== ';' && start === -1) start = at;
    at += token.length;
    if (tag !== undefined) at = after(script, tag, at);
    else if (escaped !== undefined) at = skipEscaped(script, at);
    else if (token === '(') parentheses += 1;
    else if (token === ')') parentheses = Math.max(0, parentheses - 1);
    else if (token === ';') {
      if (parentheses === 0 && blocks === 0) end(at - 1);
    } else if (word !== undefined) {
      const name = word.toLowerCase();
      if (words.length < ROUTINE_WORDS) words.push(name);
      if (parentheses === 0 && isRoutine(words)) {
        if (name === 'begin' || (name === 'case' && blocks > 0)) blocks += 1;
        else if (name === 'end' && blocks > 0) blocks -= 1;
      }
    }
  }
  end(script.length);
  return statements;
}

/** `create or replace function`. */
const ROUTINE_WORDS = 4;

function isRoutine(words: readonly string[]): boolean {
  const [create, next] = words;
  const kind = next === 'or' ? words[3] : next;
  return create === 'create' && (kind === 'function' || kind === 'procedure');
}

/** Where a comment ends that begins at `at`; they may be inside each other. */
function skipComment(script: string, at: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = at;
  let depth = 0;
  for (let match = mark.exec(script); match !== null; match = mark.exec(script)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return script.length;
}

/** Where a string with backslashes ends whose quote is open at `at`. */
function skipEscaped(script: string, at: number): number {
  for (let here = at; here < script.length; here += 1) {
    if (script[here] === '\\') here += 1;
    else if (script[here] === "'") {
      if (script[here + 1] !== "'") return here + 1;
      here += 1;
    }
  }
  return script.length;
}

function after(script: string, mark: string, from: number): number {
  const at = script.indexOf(mark, from);
  return at === -1 ? script.length : at + mark.length;
}
