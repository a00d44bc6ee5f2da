import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { damaged, incompatible } from './failures.ts';

/** Grows when a reader of before could not read what is written now. */
export const FORMAT = 1;

const Name = Type.String({ maxLength: 200 });
const PluginName = Type.String({ pattern: '^[a-z][a-z0-9-]{2,62}$' });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const Head = Type.Object({
  product: Type.Literal('streamspace'),
  format: Type.Integer({ minimum: 1 }),
  /** Of the program that wrote it. */
  version: Name,
  /** ISO 8601, UTC. */
  madeAt: Type.String({ maxLength: 40 }),
  scope: Type.Union([Type.Literal('instance'), Type.Literal('plugin')]),
  /** Major version of the PostgreSQL server. */
  postgres: Type.Integer({ minimum: 15, maximum: 99 }),
  /** Core migrations that had run, in order. */
  migrations: Type.Array(Type.Object({ name: Name, digest: Name }), { maxItems: 10_000 }),
  /** Tables of the core that are in it, in the order of their data, with their columns. */
  tables: Type.Array(Type.Object({ name: Name, columns: Type.Array(Name, { maxItems: 500 }) }), { maxItems: 500 }),
  /** Keys that sealed the secrets in it; never a key itself. */
  keyIds: Type.Array(Name, { maxItems: 100 }),
  plugins: Type.Array(
    Type.Object({
      name: PluginName,
      version: Name,
      /** Whether it has a database of its own in the backup. */
      database: Type.Boolean(),
    }),
    { maxItems: 100_000 },
  ),
  /** About how much is to come, for progress. */
  estimatedBytes: Count,
});

/** What `backup.json`, the first entry, says. */
export type BackupHead = Static<typeof Head>;

/** @throws CodedError `backup_damaged`, `backup_incompatible` */
export function parseHead(bytes: Uint8Array): BackupHead {
  const head = parseJson('backup.json', bytes);
  const { product, format } = (head ?? {}) as { product?: unknown; format?: unknown };
  if (product !== 'streamspace') throw damaged('it is no backup of StreamSpace');
  if (typeof format === 'number' && format > FORMAT) {
    throw incompatible(
      `The backup has format ${format}, and this program knows ${FORMAT}: use the program that made it`,
    );
  }
  if (!Value.Check(Head, head)) throw damaged('backup.json is not what it should be');
  return head;
}

const End = Type.Object({
  /** Entries before this one and the lists of digests. */
  entries: Count,
  /** SHA-256 over all lines of the lists. */
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  /** Rows by section, such as `core/users`. */
  rows: Type.Record(Type.String({ maxLength: 300 }), Count),
});

/** What `end.json`, the last entry, says. */
export type BackupEnd = Static<typeof End>;

/** @throws CodedError `backup_damaged` */
export function parseEnd(bytes: Uint8Array): BackupEnd {
  const end = parseJson('end.json', bytes);
  if (!Value.Check(End, end)) throw damaged('end.json is not what it should be');
  return end;
}

/** @throws CodedError `backup_damaged` */
export function parseJson(name: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw damaged(`${name} is no JSON`);
  }
}
