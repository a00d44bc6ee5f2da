import { Elysia, t } from 'elysia';
import { LOG_LEVELS } from '../../sandbox-apis/log/levels.ts';
import { authGuard } from '../auth/guard.ts';
import type { Principal } from '../auth/principal.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import { lagOf } from '../events/lag.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Meters } from '../plugins/meters.ts';
import type { PluginLogs } from '../plugins/plugin-log.ts';
import type { Actor, ChangeRequest } from '../plugins/requests.ts';
import { type ViewDeps, viewPlugin } from '../plugins/view.ts';
import type { Budget } from '../quotas/budget.ts';
import { limitsSchema } from '../quotas/limits-schema.ts';
import type { Store } from '../storage/store.ts';
import { logStream } from './log-stream.ts';

export interface PluginRoutesDeps extends ViewDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly lifecycle: Lifecycle;
  readonly logs: PluginLogs;
  readonly meters: Meters;
  readonly budget: Budget;
  readonly storage: Pick<Store, 'usage'>;
  /** The core whose part of a log is shown. */
  readonly replica: { readonly id: string };
}

const Params = t.Object({ id: t.String({ maxLength: 64, description: 'Number or name of the plugin' }) });
export const Grants = t.Union([t.Literal('all'), t.Array(t.String({ maxLength: 300 }), { maxItems: 200 })], {
  description: '`all` that the manifest names, or the list of permissions granted',
});
const Config = t.Record(t.String({ maxLength: 200 }), t.Unknown());
const tags = ['plugins'];

export function actorOf(principal: Principal): Actor {
  return { kind: 'user', id: principal.userId, userId: principal.userId };
}

/** Installed plugins (SPEC 5.2, 12.5-12.8). Installing is in plugin-install.ts. */
export function pluginRoutes(deps: PluginRoutesDeps) {
  const { auth, lifecycle, logs, meters, budget, db, storage, replica } = deps;
  const view = (id: string) => viewPlugin(lifecycle.find(id), deps);

  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins',
      async ({ query: { enabled } }) => {
        const plugins = lifecycle.list().filter(({ row }) => enabled === undefined || row.enabled === enabled);
        return { plugins: await Promise.all(plugins.map((plugin) => viewPlugin(plugin, deps))) };
      },
      {
        auth: 'admin',
        query: t.Object({ enabled: t.Optional(t.Boolean()) }),
        detail: { summary: 'List the installed plugins', tags },
      },
    )
    .get('/api/plugins/:id', ({ params }) => view(params.id), {
      auth: 'admin',
      params: Params,
      detail: { summary: 'One installed plugin', tags },
    })
    .patch(
      '/api/plugins/:id',
      async ({ params, body, principal }) => {
        // An absent member is one that is not there: TypeBox knows no other.
        await lifecycle.change(lifecycle.find(params.id), body as ChangeRequest, actorOf(principal));
        return view(params.id);
      },
      {
        auth: 'admin',
        params: Params,
        body: t.Object(
          {
            enabled: t.Optional(t.Boolean()),
            config: t.Optional(Config),
            grants: t.Optional(Grants),
            limits: t.Optional(limitsSchema),
            ownProcess: t.Optional(t.Boolean({ description: 'Whether it has an isolate host of its own' })),
          },
          { additionalProperties: false },
        ),
        detail: { summary: 'Change enabled, config, grants, limits or its process', tags },
      },
    )
    .delete(
      '/api/plugins/:id',
      async ({ params, query, principal, set }) => {
        await lifecycle.uninstall(lifecycle.find(params.id), query.data ?? 'drop', actorOf(principal));
        set.status = 204;
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({ data: t.Optional(t.Union([t.Literal('keep'), t.Literal('drop')])) }),
        detail: { summary: 'Uninstall a plugin, with its data unless `data=keep`', tags },
      },
    )
    .post(
      '/api/plugins/:id/enable',
      async ({ params, body, principal }) => {
        await lifecycle.enable(lifecycle.find(params.id), body?.grants ?? null, actorOf(principal));
        return view(params.id);
      },
      {
        auth: 'admin',
        params: Params,
        body: t.Optional(t.Object({ grants: t.Optional(Grants) }, { additionalProperties: false })),
        detail: { summary: 'Enable a plugin; a quarantined one is released', tags },
      },
    )
    .post(
      '/api/plugins/:id/disable',
      async ({ params, principal }) => {
        await lifecycle.disable(lifecycle.find(params.id), actorOf(principal));
        return view(params.id);
      },
      { auth: 'admin', params: Params, detail: { summary: 'Disable a plugin', tags } },
    )
    .post(
      '/api/plugins/:id/reload',
      async ({ params }) => {
        await lifecycle.reload(lifecycle.find(params.id), true);
        return view(params.id);
      },
      {
        auth: 'admin',
        params: Params,
        detail: { summary: 'Load a plugin again beside the running one, and swap', tags },
      },
    )
    .get(
      '/api/plugins/:id/metrics',
      async ({ params }) => {
        const { name } = lifecycle.find(params.id);
        const { events, ...meter } = meters.of(name).view();
        const lag = await lagOf(db, name);
        return { ...meter, events: { ...events, ...lag }, storage: await storage.usage(name) };
      },
      {
        auth: 'admin',
        params: Params,
        detail: { summary: 'Calls, times, CPU, heap, events and storage of a plugin', tags },
      },
    )
    .get('/api/plugins/:id/budget', async ({ params }) => ({ limits: await budget(lifecycle.find(params.id).name) }), {
      auth: 'admin',
      params: Params,
      detail: { summary: 'Limits of a plugin and what is used of them', tags },
    })
    .get(
      '/api/plugins/:id/logs',
      ({ params, query, request }) => {
        const { name } = lifecycle.find(params.id);
        return logStream(logs, name, { ...query, replica: replica.id }, request.signal);
      },
      {
        auth: 'admin',
        params: Params,
        query: t.Object({
          level: t.Optional(t.Union(LOG_LEVELS.map((level) => t.Literal(level)))),
          since: t.Optional(t.Integer({ minimum: 0, description: 'Only lines with a higher id' })),
          limit: t.Integer({ minimum: 0, maximum: 1_000, default: 100, description: 'Lines from before' }),
          follow: t.Boolean({ default: true, description: 'Go on with new lines' }),
        }),
        detail: {
          summary: "A plugin's log as server-sent events: of the core that answers, which `streamspace-replica` names",
          tags,
        },
      },
    );
}
