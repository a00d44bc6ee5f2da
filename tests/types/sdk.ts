import { definePlugin, type StreamSpace } from '@streamspace/sdk';

// What the types of @streamspace/sdk refuse: `tsc` fails where an expected error is missing.

interface Config {
  readonly channel: string;
  readonly retries: number;
}

export default definePlugin<Config>({
  onLoad({ api, budget, config, database, events, files, storage, scheduler, services, plugins, secrets, log, fetch }) {
    const channel: string = config.channel;
    // @ts-expect-error the configuration is read-only
    config.channel = channel;
    // @ts-expect-error it has no such field
    void config.chanel;
    // @ts-expect-error it is a number
    const wrong: string = config.retries;
    void wrong;

    api.get('/a', () => 1, { auth: 'public' });
    // @ts-expect-error there is no such kind of access
    api.get('/a', () => 1, { auth: 'everybody' });
    // @ts-expect-error the handler is missing
    api.get('/a');
    // @ts-expect-error a path is text
    api.get(5, () => 1);
    // @ts-expect-error there is no such method
    api.registerEndpoint({ method: 'FETCH', path: '/a', handler: () => 1 });
    // @ts-expect-error an endpoint has a path
    api.registerEndpoint({ handler: () => 1 });
    // @ts-expect-error a rate limit has a window
    api.get('/a', () => 1, { rateLimit: { max: 1 } });
    api.registerEndpoint({
      method: 'post',
      path: '/b',
      handler: (request, ctx) => ctx.json({ url: request.url }, 201),
    });
    api.post<{ name: string }>('/c', (_request, { body, params, user }) => {
      const name: string = body.name;
      // @ts-expect-error the body has no such field
      void body.nmae;
      // @ts-expect-error parameters are text, and may be absent
      const id: number = params.id;
      // @ts-expect-error there may be no user
      void user.email;
      // @ts-expect-error what came in is not changed
      params.id = 'x';
      return { name, id };
    });
    api.use(async (_request, _ctx, next) => {
      const response: Response = await next();
      return response;
    });
    // @ts-expect-error a middleware is a function
    api.use({});
    api.mount({ fetch: (request) => new Response(request.url) }, { path: '/m' });
    // @ts-expect-error what is mounted answers requests
    api.mount({ handle: () => 1 });

    const off: () => void = events.on<{ id: string }>('user.created', (user, { attempt }) => `${user.id} ${attempt}`);
    off();
    // @ts-expect-error a handler is a function
    events.on('user.created', 'handler');
    // @ts-expect-error an event's name is text
    void events.emit({ name: 'x' });

    void storage.set('key', { any: ['json'] }, { ttl: 5, ifVersion: 0 });
    // @ts-expect-error there is no such option
    void storage.set('key', 1, { expires: 5 });
    // @ts-expect-error a key is text
    void storage.get(5);
    // @ts-expect-error it may not be there
    const count: Promise<number> = storage.get<number>('count');
    void count;

    const file: Promise<{ readonly size: number; readonly etag: string }> = files.put('a', new Blob(['x']), {
      ifNoneMatch: '*',
    });
    void file;
    // @ts-expect-error it may not be there
    const content: Promise<ReadableStream<Uint8Array>> = files.get('a').then((found) => found.body);
    void content;
    void files.get('a', { range: { suffix: 10 } }).then((found) => found?.json<{ n: number }>());
    // @ts-expect-error a part is of one kind
    void files.get('a', { range: { suffix: 10, offset: 5 } });
    // @ts-expect-error a body is no number
    void files.put('a', 5);
    // @ts-expect-error a method is missing
    services.provide('storage-backend', { put() {}, get: () => null, stat: () => null });
    // @ts-expect-error there is no such service
    services.provide('mail', {});

    const names: Promise<{ name: string }[]> = database.query<{ name: string }>('select $1 as name', ['x', 5n, null]);
    void names;
    void database.exec(database.sql`delete from people where born < ${new Date()}`);
    const rows = database.query('select name from people');
    // @ts-expect-error nothing is known of the rows
    void rows.then(([first]) => first?.name.length);
    // @ts-expect-error there may be no row
    const row: Promise<{ name: string }> = database.queryRow<{ name: string }>('select name from people');
    void row;
    // @ts-expect-error a value that is not there is null
    void database.query('select $1', [undefined]);
    // @ts-expect-error parameters are a list
    void database.query('select $1', 'x');
    const counted: Promise<number> = database.transaction(async (tx) => (await tx.exec('select 1')).count, {
      retries: 1,
    });
    void counted;
    // @ts-expect-error there is no such level
    void database.transaction(() => 1, { isolation: 'snapshot' });
    // @ts-expect-error a script is not run in a transaction of another
    void database.transaction((tx) => tx.migrate('select 1'));

    scheduler.schedule('@daily', ({ name, scheduledAt }) => log.info(name, { scheduledAt }), { overlap: 'skip' });
    scheduler.every('1m', ({ attempt }) => attempt, {
      name: 'a',
      overlap: 'queue',
      catchUp: 'all',
      jitter: '30s',
      retries: 2,
    });
    // @ts-expect-error there is no such rule
    scheduler.every('1m', () => 1, { overlap: 'wait' });
    // @ts-expect-error a job has a handler
    scheduler.every('1m');

    plugins.expose({ add: (a: number, b: number) => a + b });
    // @ts-expect-error only functions are exposed
    plugins.expose({ value: 5 });
    const sum: Promise<number> = plugins.call<number>('other', 'add', 1, 2);
    void sum;
    // @ts-expect-error a method has a name
    void plugins.call('other');

    // @ts-expect-error a secret may not be set
    const secret: Promise<string> = secrets.get('password');
    void secret;
    // @ts-expect-error secrets are not written by plugins
    void secrets.set('password', 'x');

    const all: Promise<readonly { readonly used: number | null }[]> = budget.get();
    const one: Promise<{ readonly limit: string; readonly resetsAt: string | null }> = budget.get('timers');
    void [all, one];
    // @ts-expect-error limits are not set by plugins
    void budget.set('timers', 5);

    // @ts-expect-error a line has a message
    log.info();
    // @ts-expect-error there is no such level
    log.trace('x');
    const answer: Promise<Response> = fetch('https://example.com', { method: 'POST' });
    void answer;
    // @ts-expect-error a request has an address
    void fetch();
  },
  onConfigChange(config, ctx) {
    const retries: number = config.retries + ctx.config.retries;
    void retries;
  },
  onUpgrade: (from) => from.split('.'),
  onUserCreated(user, ctx) {
    const role: 'admin' | 'user' = user.role;
    ctx.log.info(role);
    // @ts-expect-error an account's id does not change
    user.id = 'x';
  },
});

definePlugin({
  // @ts-expect-error there is no such hook
  onStart() {},
});
definePlugin({
  // @ts-expect-error a hook is a function
  onLoad: 'load',
});

/** Without a configuration type, what is in it is unknown. */
export function anyConfig({ config, plugin }: StreamSpace): string {
  // @ts-expect-error nothing is known of it
  const text: string = config.channel;
  // @ts-expect-error who it is does not change
  plugin.name = 'other';
  // @ts-expect-error capabilities that are not there yet
  void streamspace.sessions;
  return `${text}${streamspace.plugin.version}`;
}
