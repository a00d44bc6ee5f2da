import { StreamspaceDialect } from '@streamspace/sdk/kysely';
import { type Generated, Kysely } from 'kysely';
import type * as published from '../../src/sdk/types/kysely.d.ts';

// The dialect, as it is and as authors are told of it.

interface Tables {
  readonly people: { readonly id: Generated<number>; readonly name: string; readonly born: Date | null };
}

const Published: typeof published.StreamspaceDialect = StreamspaceDialect;
const config: published.StreamspaceDialectConfig = { transactionTimeoutMs: 1_000 };

/** What a query gives is known. */
export async function types(): Promise<void> {
  const db = new Kysely<Tables>({ dialect: new Published(config) });
  const person = await db.selectFrom('people').select(['id', 'name']).executeTakeFirstOrThrow();
  const id: number = person.id;
  void id;
  // @ts-expect-error it was not selected
  void person.born;
  // @ts-expect-error there is no such table
  db.selectFrom('persons');
  // @ts-expect-error there is no such option
  new StreamspaceDialect({ pool: 5 });
}
