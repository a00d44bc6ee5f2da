import { Elysia } from 'elysia';
import { greet, type Order, priced } from './handlers.ts';

/** The yardstick: the measured handlers in Elysia and nothing else, in a process of its own. */
const app = new Elysia()
  .get('/small', () => greet('bare'))
  .post('/order', ({ body }) => priced(body as Order))
  .listen({ hostname: '127.0.0.1', port: 0 });

process.on('disconnect', () => process.exit(0));
process.send?.({ port: app.server?.port });
