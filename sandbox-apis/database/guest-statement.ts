import type { DatabaseEnv, SqlStatement } from './guest.ts';
import { createEncoder } from './guest-encode.ts';
import type { Statement } from './service.ts';

/** What `database.sql` makes; nothing that came out of JSON is one. */
class Template implements SqlStatement {
  readonly #text: string;
  readonly #values: readonly unknown[];

  constructor(text: string, values: readonly unknown[]) {
    this.#text = text;
    this.#values = values;
  }
  get text(): string {
    return this.#text;
  }
  get values(): SqlStatement['values'] {
    return this.#values as SqlStatement['values'];
  }
  static partsOf(value: object): { text: string; values: readonly unknown[] } | null {
    return #text in value ? { text: value.#text, values: value.#values } : null;
  }
}

export interface Statements {
  /** A statement as the core takes it. @throws Error with the code `invalid_input` */
  of(sql: unknown, params: unknown): Statement;
  sql(strings: TemplateStringsArray, values: readonly unknown[]): SqlStatement;
}

/** Makes what turns the arguments of one isolate's calls into statements. */
export function createStatements(env: DatabaseEnv): Statements {
  const { StreamSpaceError } = env;
  const encode = createEncoder(env);
  const invalid = (message: string): Error => new StreamSpaceError('invalid_input', message);

  return {
    of(sql, params) {
      if (typeof sql === 'string') return { sql, params: encode((params ?? []) as unknown[]) };
      const parts = typeof sql === 'object' && sql !== null ? Template.partsOf(sql) : null;
      if (parts === null) throw invalid('sql: is neither a text nor what database.sql made');
      if (params !== undefined) throw invalid('params: what database.sql made has its values already');
      return { sql: parts.text, params: encode(parts.values) };
    },
    sql(strings, values) {
      let text = '';
      for (let at = 0; at < strings.length; at += 1) {
        const part = strings[at] as string | undefined;
        if (part === undefined) throw invalid('sql: the template has an escape that is not valid');
        text += at === 0 ? part : `$${at}${part}`;
        const value = at < values.length ? values[at] : null;
        if (typeof value === 'object' && value !== null && Template.partsOf(value) !== null) {
          throw invalid('sql: a statement cannot be a part of another one; see Kysely for that');
        }
      }
      return new Template(text, values);
    },
  };
}
