import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { checkKey } from '../../sandbox-apis/storage/checks.ts';
import { decodeCursor, encodeCursor } from '../../sandbox-apis/storage/cursor.ts';
import { STORAGE_LIMITS } from '../../sandbox-apis/storage/limits.ts';
import { authGuard } from '../auth/guard.ts';
import type { Principal } from '../auth/principal.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import { audit } from '../permissions/audit.ts';
import { type BrowsedEntry, browse, browseEntry } from '../storage/browse.ts';
import type { Store } from '../storage/store.ts';

export interface PluginStorageRoutesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => string | Promise<string>;
  readonly store: Pick<Store, 'usage' | 'delete' | 'deletePrefix'>;
}

const Params = t.Object({ id: t.String({ maxLength: 64, description: 'Number or name of the plugin' }) });
const Key = t.String({ minLength: 1, maxLength: STORAGE_LIMITS.keyBytes });
const Prefix = t.String({ minLength: 1, maxLength: STORAGE_LIMITS.keyBytes, description: 'Keys that begin with it' });
const entry = {
  key: t.String(),
  bytes: t.Integer({ description: 'Of key and value, as the quota counts them' }),
  version: t.Integer(),
  expiresAt: t.Nullable(t.String({ format: 'date-time' })),
};
const Entry = t.Object({ ...entry, value: t.Unknown({ description: 'Any JSON' }) });
const EntryPage = t.Object({
  usage: t.Object(
    { bytes: t.Integer(), keys: t.Integer(), maxBytes: t.Integer(), maxKeys: t.Integer() },
    { description: 'Of the whole plugin; entries that have expired count until they are removed' },
  ),
  items: t.Array(t.Object(entry), { description: 'In the order of the keys; without what has expired' }),
  nextCursor: t.Nullable(t.String(), { description: '`cursor` of the next page; null at the end' }),
});
const Deleted = t.Object({ deleted: t.Integer({ description: 'Entries that were there' }) });
const tags = ['plugins'];

/** What a plugin keeps in `storage`, for admins. */
export function pluginStorageRoutes({ db, auth, resolvePluginName, store }: PluginStorageRoutesDeps) {
  const remember = ({ userId }: Principal, plugin: string, detail: object) =>
    audit(db, {
      actorKind: 'user',
      actor: userId,
      action: 'plugin.storage_deleted',
      target: plugin,
      detail: { ...detail },
    });

  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins/:id/data/storage',
      async ({ params, query: { prefix = '', cursor, limit } }) => {
        const name = await resolvePluginName(params.id);
        checkKey(prefix, 'prefix');
        const after = cursor === undefined ? null : decodeCursor(cursor);
        const found = await browse(db, name, { prefix, after, limit });
        const items = found.slice(0, limit);
        const last = found.length > limit ? items.at(-1) : undefined;
        const nextCursor = last === undefined ? null : encodeCursor(last.key);
        return { usage: await store.usage(name), items: items.map(shown), nextCursor };
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({
          prefix: t.Optional(Prefix),
          cursor: t.Optional(t.String({ minLength: 1, maxLength: 2 * STORAGE_LIMITS.keyBytes })),
          limit: t.Integer({
            minimum: 1,
            maximum: STORAGE_LIMITS.pageEntries,
            default: STORAGE_LIMITS.defaultPageEntries,
          }),
        }),
        response: { 200: EntryPage },
        detail: { summary: 'List the keys that a plugin keeps in storage', tags },
      },
    )
    .get(
      '/api/plugins/:id/data/storage/entry',
      async ({ params, query: { key } }) => {
        const name = await resolvePluginName(params.id);
        checkKey(key);
        const found = await browseEntry(db, name, key);
        if (found === null) throw new CodedError('not_found', `${name} stores nothing under "${key}"`);
        return { ...shown(found), value: found.value };
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({ key: Key }),
        response: { 200: Entry },
        detail: { summary: 'One entry of the storage of a plugin, with its value', tags },
      },
    )
    .delete(
      '/api/plugins/:id/data/storage/entry',
      async ({ params, query: { key }, principal }) => {
        const name = await resolvePluginName(params.id);
        checkKey(key);
        const deleted = (await store.delete(name, key)) ? 1 : 0;
        await remember(principal, name, { key, deleted });
        return { deleted };
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({ key: Key }),
        response: { 200: Deleted },
        detail: { summary: 'Remove one entry of the storage of a plugin', tags },
      },
    )
    .delete(
      '/api/plugins/:id/data/storage',
      async ({ params, query: { prefix }, principal }) => {
        const name = await resolvePluginName(params.id);
        checkKey(prefix, 'prefix');
        let deleted = 0;
        try {
          let after: string | null = null;
          do {
            const step = await store.deletePrefix(name, { prefix, after, limit: STORAGE_LIMITS.keysAtOnce });
            deleted += step.deleted;
            after = step.last;
          } while (after !== null);
        } finally {
          await remember(principal, name, { prefix, deleted });
        }
        return { deleted };
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({ prefix: Prefix }),
        response: { 200: Deleted },
        detail: { summary: 'Remove what a plugin keeps in storage under a prefix', tags },
      },
    );
}

function shown({ key, bytes, version, expiresAt }: BrowsedEntry) {
  return { key, bytes, version, expiresAt: expiresAt?.toISOString() ?? null };
}
