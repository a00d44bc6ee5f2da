import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import { REASON_LENGTH, USE_LIMITS } from '../permissions/limits.ts';
import { permissionReport } from '../permissions/report.ts';
import type { Switches } from '../permissions/switches.ts';
import { listUses } from '../permissions/use-rows.ts';
import type { Uses } from '../permissions/uses.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Plugin } from '../plugins/plugin.ts';

export interface PermissionRoutesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly lifecycle: Pick<Lifecycle, 'find'>;
  readonly permissions: PermissionCatalog;
  readonly switches: Switches;
  readonly uses: Uses;
}

const Id = t.String({ maxLength: 64, description: 'Number or name of the plugin' });
const Time = t.Nullable(t.String({ format: 'date-time' }));
const Counted = {
  uses: t.Integer({ description: 'Calls that were let through' }),
  firstUsedAt: Time,
  lastUsedAt: Time,
  refused: t.Integer({ description: 'Calls that were refused' }),
  lastRefusedAt: Time,
};
const Report = t.Object({
  plugin: t.String(),
  permissions: t.Array(
    t.Object({
      permission: t.String(),
      description: t.String(),
      granted: t.Boolean(),
      grantedAt: Time,
      asked: t.Boolean({ description: 'The manifest names it' }),
      optional: t.Boolean({ description: 'It does so under `optionalPermissions`' }),
      ...Counted,
    }),
    { description: 'What is granted, what the manifest asks for, and what the plugin used or was refused before' },
  ),
  capabilities: t.Array(
    t.Object({
      capability: t.String(),
      description: t.String(),
      on: t.Boolean(),
      off: t.Nullable(
        t.Object({
          at: t.String({ format: 'date-time' }),
          by: t.Nullable(t.String({ description: 'Id of the user' })),
          reason: t.Nullable(t.String()),
        }),
      ),
      switchable: t.Boolean(),
      fixed: t.Nullable(t.String(), { description: 'Why it cannot be switched off' }),
      ...Counted,
    }),
  ),
  unusedDays: t.Integer(),
  unused: t.Array(t.String(), { description: 'Granted `unusedDays` ago or before, and never used since' }),
});
const tags = ['plugins'];

/** What a plugin may do and does, and the switches that cut one capability of it. */
export function permissionRoutes({ db, auth, lifecycle, permissions, switches, uses }: PermissionRoutesDeps) {
  async function report({ name, manifest, row }: Plugin, unusedDays: number) {
    await uses.flush();
    return {
      plugin: name,
      ...permissionReport({
        manifest,
        grants: row.grants,
        capabilities: switches.capabilities,
        off: switches.list(name),
        uses: await listUses(db, name),
        catalog: permissions,
        unusedDays,
        now: new Date(),
      }),
    };
  }

  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get('/api/plugins/:id/permissions', ({ params, query }) => report(lifecycle.find(params.id), query.unusedDays), {
      auth: 'admin',
      params: t.Object({ id: Id }),
      query: t.Object({
        unusedDays: t.Integer({
          minimum: 0,
          maximum: 3_650,
          default: USE_LIMITS.unusedDays,
          description: 'Days for which a grant may be idle before it is listed as unused',
        }),
      }),
      response: Report,
      detail: { summary: 'What a plugin was granted and what it uses, by permission and by capability', tags },
    })
    .put(
      '/api/plugins/:id/switches/:capability',
      async ({ params, body: { on, reason }, principal }) => {
        const plugin = lifecycle.find(params.id);
        await switches.set(plugin.name, params.capability, { on, reason: reason ?? null, by: principal.userId });
        return report(plugin, USE_LIMITS.unusedDays);
      },
      {
        auth: 'admin',
        params: t.Object({ id: Id, capability: t.String({ maxLength: 64, examples: ['fetch'] }) }),
        body: t.Object(
          {
            on: t.Boolean(),
            // No control characters: Postgres cannot store NUL, and it is shown on terminals.
            reason: t.Optional(t.String({ maxLength: REASON_LENGTH, pattern: '^[^\\x00-\\x1f\\x7f]*$' })),
          },
          { additionalProperties: false },
        ),
        response: Report,
        detail: {
          summary: 'Cut one capability of a plugin, or give it back',
          description:
            'It holds from the next call on, over reloads, upgrades and restarts; calls and streams that are under way ' +
            'in a capability that is cut are ended.',
          tags,
        },
      },
    );
}
