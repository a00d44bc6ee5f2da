import {
  type DatabaseError,
  definePlugin,
  type PermissionError,
  type QuotaError,
  type RequestUser,
  type StreamSpace,
  type User,
} from '@streamspace/sdk';
import { expectType, type Same } from './equal.ts';

// The rooms: what is inferred, and what is refused. More of that in ../sdk.ts, which is compiled with these types too.

expectType<Same<typeof streamspace, StreamSpace>>(true);

definePlugin({
  onLoad({ api, events, storage, plugins, connect }) {
    api.post<{ text: string }>('/notes/:list', async (request, ctx) => {
      expectType<Same<typeof request, Request>>(true);
      expectType<Same<typeof ctx.body, { text: string }>>(true);
      expectType<Same<typeof ctx.user, RequestUser | null>>(true);
      // The context is `streamspace` too.
      await ctx.storage.set(`notes/${ctx.params.list}`, ctx.body.text);
      return ctx.status(201).header('x-note', '1').json({ added: true });
    });
    api.get('/plain', (_request, { body }) => {
      // @ts-expect-error nothing is known of a body whose type was not said
      return body.text;
    });

    events.on('user.created', (user, { attempt }) => {
      expectType<Same<typeof user, User>>(true);
      expectType<Same<typeof user.role, 'admin' | 'user'>>(true);
      expectType<Same<typeof attempt, number>>(true);
      // @ts-expect-error the password is not told
      void user.password;
    });
    events.on('user.*', ({ email }) => email.toLowerCase());
    events.once('session.started', ({ id }) => expectType<Same<typeof id, string>>(true));
    events.on('plugin.upgraded', ({ plugin, version }) => `${plugin}@${version}`);
    events.on('plugin.quarantined', ({ reason }) => reason.trim());
    events.on('plugin.other.thing', (data) => expectType<Same<typeof data, unknown>>(true));
    events.on<{ rows: number }>('plugin.other.report', ({ rows }) => rows + 1);
    // @ts-expect-error that event carries something else
    events.on('plugin.failed', ({ version }) => version);

    expectType<Same<ReturnType<typeof storage.increment>, Promise<number>>>(true);
    expectType<Same<ReturnType<typeof storage.get<string>>, Promise<string | null>>>(true);
    expectType<Same<ReturnType<typeof storage.getMany<string>>, Promise<Map<string, string>>>>(true);
    void storage.update<number>('seats', (seats) => (seats ?? 0) + 1);
    // @ts-expect-error the value may be absent
    void storage.update<number>('seats', (seats) => seats + 1);
    void storage.list<number>({ prefix: 'k' }).then(({ entries }) => entries.map(({ value }) => value + 1));
    // @ts-expect-error the values were left out
    void storage.list({ values: false }).then(({ entries }) => entries.map(({ value }) => value));
    void storage.setMany([
      { key: 'k', value: 1, ttl: 60 },
      { key: 'l', value: null, ifVersion: 0 },
    ]);
    void storage.deleteMany({ prefix: 'k/' });
    expectType<Same<ReturnType<typeof plugins.isEnabled>, Promise<boolean>>>(true);

    const socket = connect({ hostname: 'mail.example.com', port: 587 }, { secureTransport: 'starttls' });
    expectType<Same<typeof socket.readable, ReadableStream<Uint8Array>>>(true);
    // @ts-expect-error there is no such way
    connect('mail.example.com:587', { secureTransport: 'maybe' });
  },
});

const plugin = definePlugin<{ readonly channel: string }>({
  onLoad: ({ config }) => config.channel.length,
  onConfigChange(next, { config }) {
    expectType<Same<typeof next.channel | typeof config.channel, string>>(true);
  },
});
// @ts-expect-error a hook may be absent
plugin.onLoad(streamspace);

try {
  await streamspace.fetch('https://example.com');
} catch (error) {
  if (error instanceof streamspace.PermissionError) {
    expectType<Same<typeof error, PermissionError>>(true);
    expectType<Same<typeof error.permission, string>>(true);
    expectType<Same<typeof error.code, 'permission_denied'>>(true);
  } else if (error instanceof streamspace.QuotaError) {
    expectType<Same<typeof error, QuotaError>>(true);
    expectType<Same<typeof error.resetsAt, string | null>>(true);
  } else if (error instanceof streamspace.DatabaseError) {
    expectType<Same<typeof error, DatabaseError>>(true);
    expectType<Same<typeof error.sqlstate, string>>(true);
    expectType<Same<typeof error.constraint, string | undefined>>(true);
  } else if (error instanceof streamspace.StreamSpaceError) {
    if (error.code === 'network_blocked') throw error;
    // @ts-expect-error there is no such code
    if (error.code === 'network_block') throw error;
  }
}
// @ts-expect-error plugins do not make them
void new streamspace.QuotaError();
