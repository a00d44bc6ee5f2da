import { Elysia, t } from 'elysia';

/** Something that has to hold before requests can be served. */
export interface Check {
  /** `database`, `migrations`, `isolate-hosts`, ... */
  readonly name: string;
  readonly ok: boolean;
  /** One line for operators, such as the confinement layer of an isolate host; no secrets, everybody may read it. */
  readonly detail: string;
}

export interface HealthDeps {
  /** Where the process is in its life. */
  readonly phase: () => 'starting' | 'ready' | 'stopping';
  readonly readiness: () => Promise<readonly Check[]>;
}

const CheckSchema = t.Object({ name: t.String(), ok: t.Boolean(), detail: t.String() });
const Ready = t.Object({ status: t.String(), checks: t.Optional(t.Array(CheckSchema)) });

/** `/healthz`: the process answers. `/readyz`: it can serve; 503 while it starts, stops, or something is missing. */
export function healthRoutes({ phase, readiness }: HealthDeps) {
  return new Elysia()
    .get('/healthz', () => ({ status: 'ok' }), {
      response: t.Object({ status: t.String() }),
      detail: { summary: 'Whether the process is alive', tags: ['operations'] },
    })
    .get(
      '/readyz',
      async ({ query, status }) => {
        const now = phase();
        // While it starts or stops, what the checks ask may not be there.
        const checks = now === 'ready' ? await readiness() : [];
        const ready = now === 'ready' && checks.every(({ ok }) => ok);
        const name = now === 'ready' ? (ready ? 'ready' : 'not ready') : now;
        const body = { status: name, ...(query.verbose === undefined ? {} : { checks: [...checks] }) };
        return status(ready ? 200 : 503, body);
      },
      {
        query: t.Object({ verbose: t.Optional(t.String()) }),
        response: { 200: Ready, 503: Ready },
        detail: { summary: 'Whether requests can be served; `?verbose` lists the checks', tags: ['operations'] },
      },
    );
}
