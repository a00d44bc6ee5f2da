import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { EVENT_LIMITS, NAME_SOURCE, PATTERN_SOURCE } from '../../sandbox-apis/events/patterns.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import { publish } from '../events/publish.ts';
import { dropDelivery, listDeliveries, listEvents, redeliver } from '../events/store.ts';
import { audit } from '../permissions/audit.ts';
import { Uuid } from './schemas.ts';

export interface EventsRoutesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => Promise<string>;
  /** Tells the dispatcher that there is something to deliver. */
  readonly poke: () => void;
}

const Limit = t.Integer({ minimum: 1, maximum: 200, default: 50 });
const Data = t.Unknown({ description: 'Any JSON value' });
const Time = t.String({ format: 'date-time' });
const NextCursor = t.Nullable(t.String(), { description: '`cursor` of the next page; null at the end' });
const State = t.Union([t.Literal('pending'), t.Literal('done'), t.Literal('dead')]);

const PublishBody = t.Object(
  {
    name: t.String({
      pattern: `^custom\\.${NAME_SOURCE}$`,
      maxLength: EVENT_LIMITS.nameLength,
      description: 'Starts with `custom.`',
    }),
    data: t.Optional(Data),
  },
  { additionalProperties: false },
);

const EventPage = t.Object({
  items: t.Array(t.Object({ id: t.String(), name: t.String(), data: Data, source: t.String(), createdAt: Time })),
  nextCursor: NextCursor,
});

const DeliveryPage = t.Object({
  items: t.Array(
    t.Object({
      id: t.Integer(),
      event: t.Object({ id: t.String(), name: t.String(), data: Data }),
      state: State,
      attempts: t.Integer(),
      nextAttemptAt: t.Nullable(Time),
      lastError: t.Nullable(t.String()),
      createdAt: Time,
      settledAt: t.Nullable(Time),
    }),
  ),
  nextCursor: NextCursor,
});

const PluginId = t.String({ maxLength: 64, description: 'Number or name of the plugin' });
const DeliveryParams = t.Object({
  id: PluginId,
  delivery: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
});

const tags = ['events'];

/** Events and their deliveries (SPEC 12.9). */
export function eventsRoutes({ db, auth, resolvePluginName, poke }: EventsRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .post(
      '/api/events',
      async ({ body, principal, set }) => {
        const id = await db.transaction().execute(async (trx) => {
          const event = await publish(trx, { name: body.name, data: body.data });
          const actor = { actorKind: 'user', actor: principal.userId } as const;
          await audit(trx, { ...actor, action: 'event.published', target: body.name, detail: { event } });
          return event;
        });
        poke();
        set.status = 202;
        return { id };
      },
      {
        auth: 'admin',
        body: PublishBody,
        response: { 202: t.Object({ id: t.String() }) },
        detail: { summary: 'Publish a custom event; answers once it is durable', tags },
      },
    )
    .get('/api/events', ({ query }) => listEvents(db, query), {
      auth: 'admin',
      query: t.Object({
        name: t.Optional(t.String({ pattern: `^${PATTERN_SOURCE}$`, maxLength: EVENT_LIMITS.nameLength })),
        source: t.Optional(t.String({ maxLength: 64, description: '`core` or the name of a plugin' })),
        cursor: t.Optional(Uuid),
        limit: Limit,
      }),
      response: { 200: EventPage },
      detail: { summary: 'List events, newest first', tags },
    })
    .get(
      '/api/plugins/:id/deliveries',
      async ({ params, query }) => listDeliveries(db, await resolvePluginName(params.id), query),
      {
        auth: 'admin',
        params: t.Object({ id: PluginId }),
        query: t.Object({
          state: t.Optional(State),
          cursor: t.Optional(t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
          limit: Limit,
        }),
        response: { 200: DeliveryPage },
        detail: { summary: "List a plugin's deliveries, newest first; `dead` are those that failed for good", tags },
      },
    )
    .post(
      '/api/plugins/:id/deliveries/:delivery/redeliver',
      async ({ params, principal, set }) => {
        const plugin = await resolvePluginName(params.id);
        const outcome = await redeliver(db, plugin, params.delivery);
        if (outcome === 'not_found') throw noDelivery(plugin, params.delivery);
        if (outcome === 'pending') throw new CodedError('conflict', `Delivery ${params.delivery} is pending already`);
        const actor = { actorKind: 'user', actor: principal.userId } as const;
        await audit(db, {
          ...actor,
          action: 'delivery.redelivered',
          target: plugin,
          detail: { delivery: params.delivery },
        });
        poke();
        set.status = 202;
        return { id: params.delivery, state: 'pending' as const };
      },
      {
        auth: 'admin',
        params: DeliveryParams,
        response: { 202: t.Object({ id: t.Integer(), state: t.Literal('pending') }) },
        detail: { summary: 'Deliver a done or dead delivery again', tags },
      },
    )
    .delete(
      '/api/plugins/:id/deliveries/:delivery',
      async ({ params, principal, set }) => {
        const plugin = await resolvePluginName(params.id);
        if (!(await dropDelivery(db, plugin, params.delivery))) throw noDelivery(plugin, params.delivery);
        const actor = { actorKind: 'user', actor: principal.userId } as const;
        await audit(db, {
          ...actor,
          action: 'delivery.dropped',
          target: plugin,
          detail: { delivery: params.delivery },
        });
        set.status = 204;
      },
      { auth: 'admin', params: DeliveryParams, detail: { summary: 'Drop a delivery', tags } },
    );
}

function noDelivery(plugin: string, delivery: number): CodedError {
  return new CodedError('not_found', `Plugin ${plugin} has no delivery ${delivery}`);
}
