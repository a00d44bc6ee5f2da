import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Rotation } from '../secrets/rotation.ts';

export interface SecretsRoutesDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly rotation: Rotation;
}

const KeyId = t.String({ description: 'Names a key and tells nothing of it' });
const Count = t.Integer({ minimum: 0 });

const Status = t.Object({
  keyId: KeyId,
  source: t.UnionEnum(['file', 'environment'], {
    description: 'Whether the key is in the data folder, or given as STREAMSPACE_SECRET_KEY',
  }),
  values: t.Integer({ minimum: 0, description: 'Sealed values' }),
  rotatedAt: t.Nullable(t.String({ format: 'date-time' }), { description: 'null for the first key' }),
  rotating: t.Nullable(t.Object({ done: Count, values: Count }), { description: 'How far a rotation is' }),
});

const Rotated = t.Object({ keyId: KeyId, previousKeyId: KeyId, values: Count });

const tags = ['operations'];

/** The key that secrets are sealed with: never a secret, never the key. */
export function secretsRoutes({ auth, rotation }: SecretsRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get('/api/secrets', () => rotation.status(), {
      auth: 'admin',
      response: { 200: Status },
      detail: { summary: 'Which key seals the secrets, how many there are, and when it was rotated', tags },
    })
    .post('/api/secrets/rotate', ({ principal }) => rotation.rotate(principal.userId), {
      auth: 'admin',
      response: { 200: Rotated },
      detail: { summary: 'Make a new key and seal every secret with it; answers when that is done', tags },
    });
}
