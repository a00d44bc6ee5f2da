import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Replica } from '../replicas/replica.ts';

export interface ReplicasRoutesDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly replica: Pick<Replica, 'list'>;
}

const Time = t.String({ format: 'date-time' });
const ReplicaSchema = t.Object({
  id: t.String(),
  self: t.Boolean({ description: 'Whether it answers this request' }),
  startedAt: Time,
  seenAt: Time,
  alive: t.Boolean({ description: 'Whether it gave a sign of life within the last seconds' }),
  version: t.String(),
  address: t.Nullable(t.String(), { description: 'STREAMSPACE_REPLICA_ADDRESS' }),
  filesFolder: t.String({ description: 'Names the folder of plugins’ files: the same where it is shared' }),
  behind: t.Record(t.String(), t.Object({ revision: t.Integer(), error: t.String(), since: Time }), {
    description: 'Plugins that it could not make as another core changed them; it tries again',
  }),
});

/** The cores on this database (docs/operators/replicas.md). */
export function replicasRoutes({ auth, replica }: ReplicasRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get('/api/replicas', async () => ({ replicas: (await replica.list()).map((one) => ({ ...one })) }), {
      auth: 'admin',
      response: { 200: t.Object({ replicas: t.Array(ReplicaSchema) }) },
      detail: { summary: 'The cores on this database', tags: ['operations'] },
    });
}
