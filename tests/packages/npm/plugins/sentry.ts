import {
  addBreadcrumb,
  captureException,
  captureMessage,
  createStackParser,
  createTransport,
  flush,
  getCurrentScope,
  setCurrentClient,
  setTag,
  setUser,
  startSpan,
} from '@sentry/core';
import { nodeStackLineParser, ServerRuntimeClient } from '@sentry/core/server';
import { definePlugin } from '@streamspace/sdk';

interface Settings {
  readonly dsn: string;
}

const open = { auth: 'public' } as const;

function buy(cents: number): never {
  throw new RangeError(`${cents} is too much`, { cause: new Error('the limit') });
}

export default definePlugin<Settings>({
  onLoad({ api, config }) {
    const client = new ServerRuntimeClient({
      dsn: config.dsn,
      environment: 'tests',
      release: 'plugin@1.0.0',
      tracesSampleRate: 1,
      integrations: [],
      stackParser: createStackParser(nodeStackLineParser()),
      transport: (options) =>
        createTransport(options, async ({ body }) => {
          const answer = await fetch(options.url, { method: 'POST', body: body as BodyInit });
          return {
            statusCode: answer.status,
            headers: {
              'x-sentry-rate-limits': answer.headers.get('x-sentry-rate-limits'),
              'retry-after': answer.headers.get('retry-after'),
            },
          };
        }),
    });
    setCurrentClient(client);
    client.init();

    api.get(
      '/error',
      async () => {
        setUser({ id: '7', email: 'ada@example.com' });
        setTag('room', 'A1');
        addBreadcrumb({ category: 'cart', message: 'added' });
        getCurrentScope().setContext('cart', { items: 3 });
        let id = '';
        try {
          buy(700);
        } catch (error) {
          id = captureException(error);
        }
        return { id, flushed: await flush(5_000) };
      },
      open,
    );
    api.get(
      '/trace',
      async () => {
        const sum = await startSpan({ name: 'checkout', op: 'task' }, async () => {
          const one = await startSpan({ name: 'load', op: 'db' }, async () => 1);
          return one + (await startSpan({ name: 'pay', op: 'http' }, async () => 2));
        });
        return { sum, flushed: await flush(5_000) };
      },
      open,
    );
    api.get(
      '/message',
      async () => {
        captureMessage('hello', 'warning');
        return { flushed: await flush(5_000) };
      },
      open,
    );
  },
});
