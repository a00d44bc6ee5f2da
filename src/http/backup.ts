import { Value } from '@sinclair/typebox/value';
import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import { type BackupsDeps, startBackup } from '../backup/backups.ts';
import { type RestorePluginDeps, restorePlugin } from '../backup/restore-plugin.ts';
import { type ViewDeps, viewPlugin } from '../plugins/view.ts';
import { actorOf, Grants } from './plugins.ts';

export type BackupRoutesDeps = BackupsDeps &
  RestorePluginDeps & {
    readonly auth: Pick<Resolver, 'authenticate'>;
    readonly view: ViewDeps;
  };

const Name = t.String({ pattern: '^[a-z][a-z0-9-]{2,62}$' });
const GZIP_TYPES: ReadonlySet<string> = new Set(['application/gzip', 'application/x-gzip', 'application/octet-stream']);
const tags = ['backup'];

/** Backups of the instance and of plugins, and the restore of a plugin; a whole instance is restored offline. */
export function backupRoutes(deps: BackupRoutesDeps) {
  const { lifecycle } = deps;
  return new Elysia({ normalize: false })
    .use(authGuard(deps.auth))
    .get(
      '/api/backup',
      async ({ query, principal }) => {
        const plugin = query.plugin === undefined ? null : lifecycle.find(query.plugin).name;
        const named = query.without === undefined || query.without === '' ? [] : query.without.split(',');
        const without = named.map((name) => lifecycle.find(name.trim()).name);
        const stream = await startBackup(deps, { plugin, without }, principal.userId);
        const time = new Date().toISOString().replaceAll(':', '-').replace(/\.\d+/, '');
        return new Response(stream, {
          headers: {
            'content-type': 'application/gzip',
            'content-disposition': `attachment; filename="${plugin ?? 'streamspace'}-${time}.backup.tar.gz"`,
            'cache-control': 'no-store',
            'x-content-type-options': 'nosniff',
          },
        });
      },
      {
        auth: 'admin',
        query: t.Object({
          plugin: t.Optional(t.String({ maxLength: 64, description: 'One plugin alone: its number or name' })),
          without: t.Optional(
            t.String({ maxLength: 4_000, description: 'Plugins whose databases and files are left out, by name' }),
          ),
        }),
        detail: {
          summary: 'A backup of the instance or of one plugin, as it is made',
          description:
            'For admins. An archive whose last entry is not `end.json` is not whole: `streamspace backup verify` checks one.',
          tags,
        },
      },
    )
    .post(
      '/api/restore',
      async ({ request, query, principal }) => {
        const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
        if (!GZIP_TYPES.has(type)) {
          throw new CodedError('unsupported_media_type', `Send application/gzip instead of "${type}"`);
        }
        if (request.body === null) throw new CodedError('bad_request', 'The body is empty; send the backup');
        const grants = grantsOf(query.grants ?? '');
        const { plugin, secretsMissing } = await restorePlugin(
          deps,
          { plugin: query.plugin, grants },
          request.body,
          actorOf(principal),
        );
        return { plugin: await viewPlugin(plugin, deps.view), secretsMissing };
      },
      {
        auth: 'admin',
        parse: 'none',
        query: t.Object({
          plugin: Name,
          grants: t.Optional(t.String({ maxLength: 60_000, description: '`all`, or permissions with commas between' })),
        }),
        detail: {
          summary: 'Restore one plugin of a backup: code, configuration and data, in one step',
          tags,
          requestBody: { content: { 'application/gzip': { schema: { type: 'string', format: 'binary' } } } },
        },
      },
    );
}

function grantsOf(text: string): 'all' | readonly string[] | null {
  if (text === '') return null;
  const grants = text === 'all' ? text : text.split(',').map((permission) => permission.trim());
  if (Value.Check(Grants, grants)) return grants;
  throw new CodedError('validation_failed', 'grants has to be "all", or permissions with commas between', {
    errors: [{ pointer: '/grants', message: 'has to be "all", or permissions with commas between' }],
  });
}
