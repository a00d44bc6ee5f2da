import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { PostMortems } from '../post-mortems/post-mortems.ts';
import { CAUSES, OUTCOMES, VERDICTS } from '../post-mortems/record.ts';

export interface PostMortemsRoutesDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly postMortems: Pick<PostMortems, 'list' | 'get'>;
  /** The name of the installed plugin that `id`, its number or name, stands for. Errors: `plugin_not_found`. */
  readonly resolvePluginName: (id: string) => string | Promise<string>;
}

const PluginId = t.String({ maxLength: 64, description: 'Number or name of the plugin' });
const Id = t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Milliseconds = t.Number({ minimum: 0 });
const Bytes = t.Number({ minimum: 0 });

const summary = {
  id: t.Integer(),
  plugin: t.String(),
  version: t.String(),
  at: t.String({ format: 'date-time' }),
  cause: t.UnionEnum(CAUSES),
  verdict: t.UnionEnum(VERDICTS),
  outcome: t.UnionEnum(OUTCOMES),
  detail: t.String({ description: 'What ended it, in words' }),
};

const PostMortemPage = t.Object({
  items: t.Array(t.Object(summary)),
  nextCursor: t.Nullable(t.String(), { description: '`before` of the next page; null at the end' }),
});

const PostMortemSchema = t.Object({
  ...summary,
  host: t.Nullable(t.Object({ pid: t.Integer(), placement: t.Nullable(t.String()), rssBytes: Bytes }), {
    description: 'The process that it lived in',
  }),
  underWay: t.Array(t.Object({ what: t.String(), ms: Milliseconds }), {
    description: 'What was asked of it and not answered yet',
  }),
  lastCalls: t.Array(
    t.Object({
      call: t.String(),
      permission: t.Nullable(t.String()),
      at: t.String({ format: 'date-time' }),
      ms: Milliseconds,
      outcome: t.String({ description: '`ok`, an error code, or `pending`' }),
    }),
    { description: 'Its last calls into the core, the oldest first' },
  ),
  heap: t.Object({ usedBytes: Bytes, limitBytes: Bytes, cpuMs: Milliseconds }),
  stack: t.Nullable(t.String({ description: "In the plugin's own files and lines" })),
});

const tags = ['plugins'];

/** How a plugin lost its isolates. */
export function postMortemRoutes({ auth, postMortems, resolvePluginName }: PostMortemsRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins/:id/post-mortems',
      async ({ params, query }) => postMortems.list(await resolvePluginName(params.id), query),
      {
        auth: 'admin',
        params: t.Object({ id: PluginId }),
        query: t.Object({
          limit: t.Integer({ minimum: 1, maximum: 50, default: 20 }),
          before: t.Optional(Id),
        }),
        response: { 200: PostMortemPage },
        detail: { summary: 'List how a plugin lost its isolates, newest first', tags },
      },
    )
    .get(
      '/api/plugins/:id/post-mortems/:postMortem',
      async ({ params }) => {
        const plugin = await resolvePluginName(params.id);
        const found = await postMortems.get(plugin, params.postMortem);
        if (found === null) throw new CodedError('not_found', `${plugin} has no post-mortem ${params.postMortem}`);
        return { ...found, underWay: [...found.underWay], lastCalls: [...found.lastCalls] };
      },
      {
        auth: 'admin',
        params: t.Object({ id: PluginId, postMortem: Id }),
        response: { 200: PostMortemSchema },
        detail: { summary: 'One post-mortem: what was under way, the last calls, heap and stack', tags },
      },
    );
}
