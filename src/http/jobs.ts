import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Db } from '../db/client.ts';
import { audit } from '../permissions/audit.ts';
import { listRuns } from '../schedules/history.ts';
import type { Schedules } from '../schedules/schedules.ts';

export interface JobRoutesDeps {
  readonly db: Db;
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly schedules: Pick<Schedules, 'list' | 'runNow' | 'pause'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => string;
}

const Time = t.String({ format: 'date-time' });
// Not UnionEnum: that has its first word as the default, and all runs are listed when nothing is said.
const State = t.Union(
  [
    t.Literal('queued'),
    t.Literal('running'),
    t.Literal('ok'),
    t.Literal('failed'),
    t.Literal('skipped'),
    t.Literal('lost'),
    t.Literal('aborted'),
  ],
  {
    description:
      '`skipped`: left out, `error` says why; `lost`: its core died; `aborted`: the plugin or the core was stopped',
  },
);
const PluginParams = t.Object({ id: t.String({ maxLength: 64, description: 'Number or name of the plugin' }) });
const JobParams = t.Object({
  ...PluginParams.properties,
  name: t.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.:-]*$', maxLength: 64, description: 'Name of the job' }),
});
const RunId = t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

const JobSchema = t.Object({
  name: t.String(),
  cron: t.Nullable(t.String()),
  timezone: t.Nullable(t.String()),
  everyMs: t.Nullable(t.Number()),
  overlap: t.UnionEnum(['skip', 'queue', 'allow']),
  catchUp: t.UnionEnum(['none', 'last', 'all']),
  jitterMs: t.Number(),
  retries: t.Integer(),
  pausedAt: t.Nullable(Time),
  nextRunAt: t.Nullable(Time),
  lastRunAt: t.Nullable(Time),
  lastDurationMs: t.Nullable(t.Number()),
  lastError: t.Nullable(t.String()),
  running: t.Boolean({ description: 'On the core that answers' }),
});
const RunSchema = t.Object({
  id: t.Integer(),
  trigger: t.UnionEnum(['tick', 'catch-up', 'manual']),
  state: State,
  attempt: t.Integer(),
  scheduledAt: t.Nullable(Time, { description: 'The tick that it is for; null when an admin asked for it' }),
  startedAt: t.Nullable(Time),
  endedAt: t.Nullable(Time),
  durationMs: t.Nullable(t.Number()),
  error: t.Nullable(t.String()),
  place: t.Nullable(t.String(), { description: '`file:line:column` of what was thrown' }),
  log: t.Array(t.Object({ time: t.String(), level: t.String(), message: t.String() }), {
    description: "The newest lines of the plugin's log in the time of the run",
  }),
});
const tags = ['plugins'];

/** Jobs of plugins and their runs (SPEC 3.7). */
export function jobRoutes({ db, auth, schedules, resolvePluginName }: JobRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get('/api/plugins/:id/jobs', ({ params }) => ({ jobs: schedules.list(resolvePluginName(params.id)) }), {
      auth: 'admin',
      params: PluginParams,
      response: t.Object({ jobs: t.Array(JobSchema) }),
      detail: { summary: 'The jobs of a plugin, by name', tags },
    })
    .get(
      '/api/plugins/:id/jobs/:name/runs',
      async ({ params, query }) => {
        const { limit, before, state } = query;
        const only = { limit, ...(before !== undefined && { before }), ...(state !== undefined && { state }) };
        const runs = await listRuns(db, resolvePluginName(params.id), params.name, only);
        return { items: runs.map((run) => ({ ...run, log: [...run.log] })) };
      },
      {
        auth: 'admin',
        params: JobParams,
        query: t.Object({
          state: t.Optional(State),
          before: t.Optional(t.Integer({ ...RunId, description: '`id` of the last run of the page before' })),
          limit: t.Integer({ minimum: 1, maximum: 200, default: 50 }),
        }),
        response: t.Object({ items: t.Array(RunSchema) }),
        detail: { summary: 'The runs of a job on all cores, newest first; also of one that is gone', tags },
      },
    )
    .post(
      '/api/plugins/:id/jobs/:name/run',
      async ({ params, principal, set }) => {
        const plugin = resolvePluginName(params.id);
        const { id, state } = await schedules.runNow(plugin, params.name);
        await note('job.run', plugin, params.name, principal, { run: id });
        set.status = 202;
        return { id, state };
      },
      {
        auth: 'admin',
        params: JobParams,
        response: { 202: t.Object({ id: t.Integer(), state: t.UnionEnum(['running', 'queued']) }) },
        detail: {
          summary: 'Run a job now, beside its ticks; also while it is paused',
          description:
            'Answers when it has begun, or waits (`overlap` is `queue` and it runs): how it ends is in `.../runs`. 409 when ' +
            'it runs already and may not overlap.',
          tags,
        },
      },
    )
    .post('/api/plugins/:id/jobs/:name/pause', ({ params, principal }) => pause(params, principal, true), {
      auth: 'admin',
      params: JobParams,
      response: JobSchema,
      detail: { summary: 'Pause a job: on all cores, over restarts, reloads and upgrades', tags },
    })
    .post('/api/plugins/:id/jobs/:name/resume', ({ params, principal }) => pause(params, principal, false), {
      auth: 'admin',
      params: JobParams,
      response: JobSchema,
      detail: { summary: 'Resume a job; what was due meanwhile is not made up for', tags },
    });

  async function pause(params: { id: string; name: string }, principal: { userId: string }, paused: boolean) {
    const plugin = resolvePluginName(params.id);
    await schedules.pause(plugin, params.name, paused ? principal.userId : null);
    await note(paused ? 'job.paused' : 'job.resumed', plugin, params.name, principal, {});
    const job = schedules.list(plugin).find(({ name }) => name === params.name);
    if (job === undefined) throw new CodedError('not_found', `Plugin ${plugin} has no job ${params.name} any more`);
    return job;
  }

  function note(action: string, plugin: string, job: string, { userId }: { userId: string }, detail: object) {
    return audit(db, { actorKind: 'user', actor: userId, action, target: plugin, detail: { job, ...detail } });
  }
}
