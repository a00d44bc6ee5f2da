import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { EVENT_LIMITS, PATTERN_SOURCE } from '../../sandbox-apis/events/patterns.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import type { DeliveryJobs } from '../events/bulk.ts';
import {
  type BulkFilter,
  type BulkJob,
  type BulkKind,
  cancelBulkJob,
  createBulkJob,
  findBulkJob,
  listBulkJobs,
} from '../events/bulk-jobs.ts';
import { audit } from '../permissions/audit.ts';
import { Uuid } from './schemas.ts';

export interface DeliveryJobsRoutesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => Promise<string>;
  readonly jobs: Pick<DeliveryJobs, 'wake'>;
}

const Time = t.String({ format: 'date-time' });
const Pattern = t.String({ pattern: `^${PATTERN_SOURCE}$`, maxLength: EVENT_LIMITS.nameLength });
const PluginId = t.String({ maxLength: 64, description: 'Number or name of the plugin' });
const params = t.Object({ id: PluginId });
const jobParams = t.Object({ id: PluginId, job: Uuid });

const Range = {
  from: t.Optional(t.String({ format: 'date-time', description: 'Events published from then on' })),
  to: t.Optional(t.String({ format: 'date-time', description: 'Events published before; left out: until now' })),
  pattern: t.Optional(Pattern),
};
const Replayed = t.Union([t.Literal('missing'), t.Literal('done'), t.Literal('dead')]);
const Settled = t.Union([t.Literal('done'), t.Literal('dead')]);
const Dropped = t.Union([t.Literal('pending'), t.Literal('done'), t.Literal('dead')]);

const Job = t.Object({
  id: t.String(),
  plugin: t.String(),
  kind: t.String(),
  state: t.Union([t.Literal('running'), t.Literal('done'), t.Literal('cancelled')]),
  filter: t.Unknown(),
  looked: t.Integer({ description: 'Events or deliveries that it has looked at' }),
  changed: t.Integer({ description: 'Deliveries that are pending, or gone, by it' }),
  reached: t.Nullable(Time, { description: 'When the event was published at which it is' }),
  createdAt: Time,
  updatedAt: Time,
});

const tags = ['events'];
const response = { 202: Job };

/** Bulk work on a plugin's deliveries: each answers at once with a job whose progress can be read. */
export function deliveryJobsRoutes({ db, auth, resolvePluginName, jobs }: DeliveryJobsRoutesDeps) {
  async function begin(id: string, kind: BulkKind, filter: BulkFilter, user: string) {
    if (filter.from !== undefined && filter.to !== undefined && Date.parse(filter.from) >= Date.parse(filter.to)) {
      throw new CodedError('invalid_input', '`from` is not before `to`');
    }
    const plugin = await resolvePluginName(id);
    const job = await db.transaction().execute(async (trx) => {
      const made = await createBulkJob(trx, { plugin, kind, filter, createdBy: user });
      const actor = { actorKind: 'user', actor: user } as const;
      const detail = { job: made.id, filter: made.filter };
      await audit(trx, { ...actor, action: `deliveries.${kind}`, target: plugin, detail });
      return made;
    });
    jobs.wake();
    return shown(job);
  }
  const range = ({ from, to, pattern }: BulkFilter): BulkFilter => ({
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(pattern === undefined ? {} : { pattern }),
  });

  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .post(
      '/api/plugins/:id/deliveries/replay',
      ({ params, body, principal, status }) =>
        begin(
          params.id,
          'replay',
          { ...range(body), ...(body.state === undefined ? {} : { states: [body.state] }) },
          principal.userId,
        ).then((job) => status(202, job)),
      {
        auth: 'admin',
        params,
        body: t.Object(
          {
            ...Range,
            from: Time,
            state: t.Optional(
              t.Union([...Replayed.anyOf], {
                description: '`missing`: only what the plugin was never sent; left out: that, and all that is settled',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response,
        detail: {
          summary: "Deliver past events that the plugin's subscriptions match, again or for the first time",
          tags,
        },
      },
    )
    .post(
      '/api/plugins/:id/deliveries/redeliver',
      ({ params, body, principal, status }) =>
        begin(params.id, 'redeliver', { ...range(body), states: [body.state] }, principal.userId).then((job) =>
          status(202, job),
        ),
      {
        auth: 'admin',
        params,
        body: t.Object(
          { ...Range, state: t.Union([...Settled.anyOf], { default: 'dead' }) },
          { additionalProperties: false },
        ),
        response,
        detail: { summary: 'Deliver dead letters, or what was delivered, again', tags },
      },
    )
    .post(
      '/api/plugins/:id/deliveries/drop',
      ({ params, body, principal, status }) =>
        begin(params.id, 'drop', { ...range(body), states: [body.state] }, principal.userId).then((job) =>
          status(202, job),
        ),
      {
        auth: 'admin',
        params,
        body: t.Object({ ...Range, state: Dropped }, { additionalProperties: false }),
        response,
        detail: { summary: 'Drop deliveries in one state', tags },
      },
    )
    .get(
      '/api/plugins/:id/deliveries/jobs',
      async ({ params }) => ({ items: (await listBulkJobs(db, await resolvePluginName(params.id))).map(shown) }),
      {
        auth: 'admin',
        params,
        response: { 200: t.Object({ items: t.Array(Job) }) },
        detail: { summary: "List the jobs on a plugin's deliveries, newest first", tags },
      },
    )
    .get(
      '/api/plugins/:id/deliveries/jobs/:job',
      async ({ params }) => shown(await findBulkJob(db, await resolvePluginName(params.id), params.job)),
      { auth: 'admin', params: jobParams, response: { 200: Job }, detail: { summary: 'Progress of a job', tags } },
    )
    .delete(
      '/api/plugins/:id/deliveries/jobs/:job',
      async ({ params, principal, set }) => {
        const plugin = await resolvePluginName(params.id);
        await db.transaction().execute(async (trx) => {
          await cancelBulkJob(trx, plugin, params.job);
          const actor = { actorKind: 'user', actor: principal.userId } as const;
          await audit(trx, { ...actor, action: 'deliveries.cancelled', target: plugin, detail: { job: params.job } });
        });
        set.status = 204;
      },
      { auth: 'admin', params: jobParams, detail: { summary: 'Cancel a job; what it has done stays', tags } },
    );
}

function shown({ id, plugin, kind, state, filter, looked, changed, cursor, createdAt, updatedAt }: BulkJob) {
  const reached = cursor === null ? null : iso(cursor.at);
  const times = { createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
  return { id, plugin, kind, state, filter, looked, changed, reached, ...times };
}

function iso(time: string): string {
  return new Date(time).toISOString();
}
