// The dialect of Kysely over a plugin's own database; `kysely` is the plugin's.
import type {
  DatabaseIntrospector,
  Dialect,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
} from 'kysely';

/** How the dialect works; all of it may be left out. */
export interface StreamspaceDialectConfig {
  /** Milliseconds until a transaction is rolled back by itself; 15,000 when not said, 120,000 at most. */
  readonly transactionTimeoutMs?: number;
}

/**
 * Kysely over the plugin's own database (`streamspace.database`), with the permission `database`.
 *
 * @example
 * ```ts
 * import { StreamspaceDialect } from '@streamspace/sdk/kysely';
 * import { type Generated, Kysely } from 'kysely';
 *
 * interface Tables {
 *   readonly people: { readonly id: Generated<number>; readonly name: string };
 * }
 *
 * export const db = new Kysely<Tables>({ dialect: new StreamspaceDialect() });
 * ```
 */
export declare class StreamspaceDialect implements Dialect {
  constructor(config?: StreamspaceDialectConfig);
  createDriver(): Driver;
  createQueryCompiler(): QueryCompiler;
  createAdapter(): DialectAdapter;
  createIntrospector(db: Kysely<any>): DatabaseIntrospector;
}
