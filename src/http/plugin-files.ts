import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { checkPath, checkPrefix } from '../../sandbox-apis/files/checks.ts';
import { decodeCursor, encodeCursor } from '../../sandbox-apis/files/cursor.ts';
import { FILE_LIMITS } from '../../sandbox-apis/files/limits.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import type { Files } from '../files/files.ts';
import { audit } from '../permissions/audit.ts';
import { answerFile } from './files-answer.ts';

export interface PluginFilesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => string;
  readonly files: Pick<Files, 'usage' | 'list' | 'get' | 'delete'>;
}

const Params = t.Object({ id: t.String({ maxLength: 64, description: 'Number or name of the plugin' }) });
const Path = t.Object({ path: t.String({ minLength: 1, maxLength: FILE_LIMITS.pathBytes }) });
const Page = t.Object({
  usage: t.Object(
    { bytes: t.Integer(), files: t.Integer(), maxBytes: t.Integer(), maxFiles: t.Integer() },
    { description: 'Of the whole plugin' },
  ),
  items: t.Array(
    t.Object({
      path: t.String(),
      size: t.Integer({ description: 'Bytes' }),
      etag: t.String({ description: 'SHA-256 of the content' }),
      contentType: t.String(),
      metadata: t.Record(t.String(), t.String()),
      createdAt: t.String({ format: 'date-time' }),
      updatedAt: t.String({ format: 'date-time' }),
    }),
    { description: 'In the order of the paths' },
  ),
  folders: t.Array(t.String(), { description: 'With `delimiter=/`: what is below' }),
  nextCursor: t.Nullable(t.String(), { description: '`cursor` of the next page; null at the end' }),
});
const tags = ['plugins'];

/** What a plugin keeps in `files`, for admins. */
export function pluginFilesRoutes({ db, auth, resolvePluginName, files }: PluginFilesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins/:id/data/files',
      async ({ params, query: { prefix = '', delimiter, cursor, limit } }) => {
        const name = resolvePluginName(params.id);
        checkPrefix(prefix);
        const after = cursor === undefined ? null : decodeCursor(cursor);
        const page = await files.list(name, { prefix, folders: delimiter !== undefined, after, limit });
        const nextCursor = page.last === null ? null : encodeCursor(page.last);
        return { usage: await files.usage(name), items: page.files, folders: page.folders, nextCursor };
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({
          prefix: t.Optional(t.String({ maxLength: FILE_LIMITS.pathBytes, description: 'Paths that begin with it' })),
          delimiter: t.Optional(t.Literal('/')),
          cursor: t.Optional(t.String({ minLength: 1, maxLength: 2 * FILE_LIMITS.pathBytes })),
          limit: t.Integer({ minimum: 1, maximum: FILE_LIMITS.pageEntries, default: FILE_LIMITS.defaultPageEntries }),
        }),
        response: { 200: Page },
        detail: { summary: 'List the files of a plugin', tags },
      },
    )
    .delete(
      '/api/plugins/:id/data/files',
      async ({ params, query: { path }, principal, set }) => {
        const name = resolvePluginName(params.id);
        checkPath(path);
        if (!(await files.delete(name, path, {}))) throw absent(name, path);
        const { userId } = principal;
        const detail = { path };
        await audit(db, { actorKind: 'user', actor: userId, action: 'plugin.file_deleted', target: name, detail });
        set.status = 204;
      },
      { auth: 'admin', params: Params, query: Path, detail: { summary: 'Remove a file of a plugin', tags } },
    );
}

/** Its content, which writes its own headers. */
export function pluginFileContentRoutes({ auth, resolvePluginName, files }: Omit<PluginFilesDeps, 'db'>) {
  return new Elysia({ normalize: false }).use(authGuard(auth)).get(
    '/api/plugins/:id/data/files/content',
    async ({ params, query: { path }, request }) => {
      const name = resolvePluginName(params.id);
      checkPath(path);
      const { headers } = request;
      const found = await answerFile(files, name, path, { method: 'GET', headers, download: true });
      if (found === null) throw absent(name, path);
      return found;
    },
    {
      auth: 'admin',
      params: Params,
      query: Path,
      detail: { summary: 'Download a file of a plugin, or a part of it (`Range`)', tags },
    },
  );
}

function absent(plugin: string, path: string): CodedError {
  return new CodedError('not_found', `The plugin ${plugin} has no file "${path}"`);
}
