import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { RollbackRequest } from '../plugins/rollbacks.ts';
import { type ViewDeps, viewPlugin } from '../plugins/view.ts';
import type { RestorePoints } from '../restore-points/points.ts';
import { RESTORE_REASONS, type RestorePoint } from '../restore-points/store.ts';
import { actorOf } from './plugins.ts';

export interface RestorePointRoutesDeps extends ViewDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly lifecycle: Lifecycle;
  readonly points: Pick<RestorePoints, 'list'>;
}

const Id = t.String({ maxLength: 64, description: 'Number or name of the plugin' });
const PointId = t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Id of a restore point' });
const Time = t.String({ format: 'date-time' });
const Version = t.String({ maxLength: 100, pattern: '^[0-9A-Za-z.+-]+$', examples: ['1.2.0'] });

const PointSchema = t.Object({
  id: t.Integer(),
  version: t.String(),
  reason: t.UnionEnum(RESTORE_REASONS, {
    description:
      'What it was made before (an upgrade, a rollback), or `manual`: somebody asked for it; `backup`: one that is being restored',
  }),
  createdAt: Time,
  hasDatabase: t.Boolean({ description: 'Whether the plugin had a database then, which it holds' }),
});
const VersionSchema = t.Object({
  version: t.String(),
  installedAt: Time,
  current: t.Boolean(),
  codeKept: t.Boolean({ description: 'Whether its package is kept, so that a rollback can bring back its code' }),
  restorePoint: t.Nullable(t.Integer(), { description: 'The newest restore point of it, which has its data too' }),
});
const tags = ['plugins'];

/** What plugins were before, and the way back there. */
export function restorePointRoutes(deps: RestorePointRoutesDeps) {
  const { auth, lifecycle, points } = deps;
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins/:id/versions',
      async ({ params }) => ({ versions: await lifecycle.rollbacks.versions(lifecycle.find(params.id)) }),
      {
        auth: 'admin',
        params: t.Object({ id: Id }),
        response: t.Object({ versions: t.Array(VersionSchema) }),
        detail: { summary: 'The versions that a plugin had, newest first', tags },
      },
    )
    .get(
      '/api/plugins/:id/restore-points',
      async ({ params }) => {
        const found = await points.list(lifecycle.find(params.id).name);
        return { restorePoints: found.map(shown) };
      },
      {
        auth: 'admin',
        params: t.Object({ id: Id }),
        response: t.Object({ restorePoints: t.Array(PointSchema) }),
        detail: { summary: 'The restore points of a plugin, newest first', tags },
      },
    )
    .post(
      '/api/plugins/:id/restore-points',
      async ({ params, principal, set }) => {
        const point = await lifecycle.rollbacks.capture(lifecycle.find(params.id), actorOf(principal));
        set.status = 201;
        return shown(point);
      },
      {
        auth: 'admin',
        params: t.Object({ id: Id }),
        response: { 201: PointSchema },
        detail: {
          summary: 'Make a restore point of what a plugin is now',
          description: 'Database, key-value storage, files index, configuration, secrets, grants, limits and version.',
          tags,
        },
      },
    )
    .delete(
      '/api/plugins/:id/restore-points/:point',
      async ({ params, principal, set }) => {
        await lifecycle.rollbacks.remove(lifecycle.find(params.id), params.point, actorOf(principal));
        set.status = 204;
      },
      {
        auth: 'admin',
        params: t.Object({ id: Id, point: PointId }),
        detail: { summary: 'Remove a restore point, and the data that it holds', tags },
      },
    )
    .post(
      '/api/plugins/:id/rollback',
      async ({ params, body, principal }) => {
        const plugin = lifecycle.find(params.id);
        // An absent member is one that is not there: TypeBox knows no other.
        const request = { data: 'restore', ...body } as RollbackRequest;
        await lifecycle.rollbacks.rollback(plugin, request, actorOf(principal));
        return viewPlugin(plugin, deps);
      },
      {
        auth: 'admin',
        params: t.Object({ id: Id }),
        body: t.Optional(
          t.Object(
            {
              restorePoint: t.Optional(PointId),
              version: t.Optional(Version),
              data: t.Optional(
                t.UnionEnum(['restore', 'keep'], {
                  default: 'restore',
                  description: '`restore`: what it had stored then; `keep`: what it has stored now',
                }),
              ),
            },
            { additionalProperties: false },
          ),
        ),
        detail: {
          summary: 'Bring a plugin back to what it was: code, configuration and data together',
          description:
            'To a restore point, or to the newest one (of a version). What the plugin is now becomes a restore point, so ' +
            'that a rollback can be undone. When the version of then does not load, nothing has changed.',
          tags,
        },
      },
    );
}

function shown({ id, version, reason, createdAt, database }: RestorePoint) {
  return { id, version, reason, createdAt: createdAt.toISOString(), hasDatabase: database !== null };
}
