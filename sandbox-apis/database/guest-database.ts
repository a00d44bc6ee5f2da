import type { GuestHost } from '../_kit/guest.ts';
import type { DatabaseApi, DatabaseEnv } from './guest.ts';
import { createQueries } from './guest-queries.ts';
import { createTransaction } from './guest-transaction.ts';

/** Makes `streamspace.database`: a part of the prelude that is evaluated at its first use. */
export function createDatabase(host: GuestHost, env: DatabaseEnv): DatabaseApi {
  const queries = createQueries(host, env);
  return {
    ...queries.within(() => null),
    transaction: createTransaction(host, env, queries),
    async migrate(sql) {
      const { ran } = await host.call<{ ran: boolean }>('database.migrate', { sql });
      return ran;
    },
    sql: (strings, ...values) => queries.statements.sql(strings, values),
  };
}
