import { definePlugin } from '@streamspace/sdk';

/** What `?name=` may be; the platform checks it and fills in the default. */
const query = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 1, maxLength: 100, default: 'world' } },
};

export default definePlugin({
  onLoad({ api, config, storage }) {
    // Anyone may call it: curl 'http://localhost:3000/api/plugins/hello/hello?name=Ada'
    api.get(
      '/hello',
      async (_request, ctx) => ({
        message: `${config.greeting}, ${ctx.query.name}!`,
        visits: await storage.increment('visits'),
      }),
      { auth: 'public', summary: 'Greets and counts', validation: { query } },
    );
  },
});
