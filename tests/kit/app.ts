import { type AppDeps, createApp } from '../../src/app.ts';
import type { Principal } from '../../src/auth/principal.ts';
import { createAuth } from '../../src/auth/service.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import type { Db } from '../../src/db/client.ts';
import { publish } from '../../src/events/publish.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { PublicUser } from '../../src/users/public-user.ts';
import { createUsers, type NewUser } from '../../src/users/service.ts';
import { testDatabase } from './postgres.ts';

/** The HTTP side of a core over a real database, listening on a free port. */
export interface TestApp {
  readonly url: string;
  readonly db: Db;
  readonly deps: AppDeps;
  /** What was logged, one object a line. */
  readonly logged: Record<string, unknown>[];
  /** A user made behind the API's back. */
  makeUser(user: Partial<NewUser> & { email: string }): Promise<PublicUser>;
  /** Signs in and answers the session's secrets. */
  signIn(email: string, password?: string): Promise<{ token: string; csrfToken: string; cookie: string }>;
  /** A request with a JSON body and, when `token` is given, as its bearer. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  stop(): Promise<void>;
}

export interface CallOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly body: any;
}

export const PASSWORD = 'correct horse battery';

const SYSTEM_ADMIN: Principal = {
  userId: '00000000-0000-4000-8000-000000000000',
  email: 'kit@localhost',
  name: 'kit',
  role: 'admin',
  permissions: [],
  via: 'session',
  credentialId: 'kit',
};

export interface TestAppOptions {
  readonly env?: Record<string, string>;
  readonly publish?: typeof publish;
  readonly deps?: Partial<AppDeps>;
}

export async function startApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { db, drop } = await testDatabase();
  const config: Config = loadConfig(options.env ?? {});
  const logged: Record<string, unknown>[] = [];
  const log = createLog('info', { write: (line) => logged.push(JSON.parse(line)) });
  const wiring = { db, config, log, publish: options.publish ?? publish };
  const auth = createAuth(wiring);
  const users = createUsers({ ...wiring, changed: auth.forgetUser });
  const deps: AppDeps = {
    config,
    log,
    metrics: createMetrics(),
    auth,
    users,
    phase: () => 'ready',
    readiness: async () => [],
    pluginPaths: () => ({}),
    routes: [],
    rawRoutes: [],
    ...options.deps,
  };
  const app = createApp(deps).listen({ port: 0, hostname: '127.0.0.1' });
  const server = app.server;
  if (!server) throw new Error('the server did not start');
  const url = `http://127.0.0.1:${server.port}`;

  const call: TestApp['call'] = async (method, path, { token, body, headers } = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  };

  return {
    url,
    db,
    deps,
    logged,
    call,
    makeUser: (user) =>
      createUsers({ db, publish, changed: auth.forgetUser }).create(SYSTEM_ADMIN, {
        name: 'Somebody',
        password: PASSWORD,
        role: 'user',
        permissions: [],
        ...user,
      }),
    async signIn(email, password = PASSWORD) {
      const { status, headers, body } = await call('POST', '/api/auth/login', { body: { email, password } });
      if (status !== 200) throw new Error(`sign-in of ${email} answered ${status}`);
      const cookie = headers.get('set-cookie')?.split(';')[0] ?? '';
      return { token: body.token, csrfToken: body.csrfToken, cookie };
    },
    async stop() {
      await server.stop(true);
      await drop();
    },
  };
}
