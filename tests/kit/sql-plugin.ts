import type { Api } from './api-client.ts';
import { type Evaluator, type EvaluatorOptions, evaluatorSource, installEvaluator } from './evaluator.ts';
import type { PluginSource } from './plugin.ts';

/** What a statement of the plugin came to. */
export interface SqlAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: each statement answers something else
  readonly rows: readonly any[];
  /** Code of the error that the plugin got; with Postgres' own where it was Postgres. */
  readonly code?: string;
  readonly sqlstate?: string;
  readonly message?: string;
}

export interface SqlPlugin extends Evaluator {
  /** Runs a statement as the plugin; its failure is in the answer. */
  sql(statement: string, ...params: unknown[]): Promise<SqlAnswer>;
  /** The rows of one that has to work. @throws Error when it does not */
  rows(statement: string, ...params: unknown[]): Promise<SqlAnswer['rows']>;
  /**
   * Runs statements one after the other in a transaction of a second, that is in one session; the failure of each is in its
   * answer, that of the transaction in one more.
   */
  session(...statements: readonly string[]): Promise<SqlAnswer[]>;
}

const FIRST = `
  const shown = ({ code, sqlstate, message }) => ({ rows: [], code, sqlstate, message: String(message).slice(0, 2_000) });
  globalThis.attempt = async (on, statement, params = []) => {
    try {
      return { rows: await on.query(statement, params) };
    } catch (error) {
      return shown(error);
    }
  };
  globalThis.attemptAll = async (statements) => {
    const answers = [];
    const { database } = streamspace;
    await database
      .transaction(
        async (tx) => {
          for (const statement of statements) answers.push(await attempt(tx, statement));
        },
        { timeoutMs: 1_000 },
      )
      .catch((error) => answers.push(shown(error)));
    return answers;
  };`;

interface SqlManifest {
  readonly permissions?: readonly string[];
  readonly [field: string]: unknown;
}

const withDatabase = (manifest: SqlManifest): SqlManifest => ({
  ...manifest,
  permissions: ['database', ...(manifest.permissions ?? [])],
});

/** The package of such a plugin, with further files. */
export function sqlPlugin(name: string, manifest: SqlManifest, files: PluginSource = {}): PluginSource {
  return { ...evaluatorSource(name, withDatabase(manifest), FIRST), ...files };
}

/** Installs an evaluator with a database of its own. */
export async function installSqlPlugin(
  core: Api,
  name: string,
  manifest: SqlManifest = {},
  options: EvaluatorOptions = {},
): Promise<SqlPlugin> {
  const plugin = await installEvaluator(core, name, withDatabase(manifest), { ...options, first: FIRST });
  const sql: SqlPlugin['sql'] = (statement, ...params) =>
    plugin.value(`return attempt(streamspace.database, ${JSON.stringify(statement)}, ${JSON.stringify(params)})`);
  return {
    ...plugin,
    sql,
    async rows(statement, ...params) {
      const { rows, ...error } = await sql(statement, ...params);
      if (error.code !== undefined) throw new Error(`${name} cannot: ${statement}: ${JSON.stringify(error)}`);
      return rows;
    },
    session: (...statements) => plugin.value(`return attemptAll(${JSON.stringify(statements)})`),
  };
}
