import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Inspections } from '../plugins/inspections.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import { cpuProfile, heapSnapshot, MEASURE_LIMITS } from '../plugins/measure.ts';
import { actorOf } from './plugins.ts';

export interface InspectorRoutesDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly lifecycle: Pick<Lifecycle, 'find'>;
  readonly inspections: Inspections;
}

const Params = t.Object({ id: t.String({ maxLength: 64, description: 'Number or name of the plugin' }) });
const tags = ['plugins'];

/** Debugging and measuring of plugins; the session itself is a WebSocket (inspector-socket.ts). */
export function inspectorRoutes({ auth, lifecycle, inspections }: InspectorRoutesDeps) {
  return new Elysia({ normalize: false })
    .use(authGuard(auth))
    .get(
      '/api/plugins/:id/inspector',
      ({ params }) => {
        inspections.demand();
        const { name } = lifecycle.find(params.id);
        return { plugin: name, open: inspections.isOpen(name) };
      },
      {
        auth: 'admin',
        params: Params,
        response: {
          200: t.Object({ plugin: t.String(), open: t.Boolean({ description: 'Whether there is a session' }) }),
        },
        detail: {
          summary: 'Whether a plugin is inspected; as a WebSocket, its V8 inspector (Chrome DevTools Protocol)',
          tags,
        },
      },
    )
    .post(
      '/api/plugins/:id/profile',
      async ({ params, body, principal, request }) => {
        const plugin = lifecycle.find(params.id);
        const profile = await cpuProfile(inspections, plugin, actorOf(principal), {
          seconds: body?.seconds ?? 5,
          signal: request.signal,
        });
        return download(JSON.stringify(profile), `${plugin.name}.cpuprofile`);
      },
      {
        auth: 'admin',
        params: Params,
        body: t.Optional(
          t.Object(
            { seconds: t.Optional(t.Number({ minimum: 0.1, maximum: MEASURE_LIMITS.seconds, default: 5 })) },
            { additionalProperties: false },
          ),
        ),
        detail: { summary: 'A CPU profile of a plugin at work (.cpuprofile)', tags },
      },
    )
    .post(
      '/api/plugins/:id/heap-snapshot',
      async ({ params, body, principal, request }) => {
        const plugin = lifecycle.find(params.id);
        const snapshot = await heapSnapshot(inspections, plugin, actorOf(principal), {
          afterSeconds: body?.afterSeconds ?? 0,
          signal: request.signal,
        });
        return download(snapshot, `${plugin.name}.heapsnapshot`);
      },
      {
        auth: 'admin',
        params: Params,
        body: t.Optional(
          t.Object(
            {
              afterSeconds: t.Optional(
                t.Number({
                  minimum: 0,
                  maximum: MEASURE_LIMITS.seconds,
                  default: 0,
                  description: 'For how long it works before, in its new isolate',
                }),
              ),
            },
            { additionalProperties: false },
          ),
        ),
        detail: { summary: "What is in a plugin's memory (.heapsnapshot)", tags },
      },
    );
}

function download(body: string | ReadableStream<Uint8Array>, name: string): Response {
  return new Response(body, {
    headers: {
      'content-type': 'application/json',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  });
}
