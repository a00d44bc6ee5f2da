import { definePlugin } from '@streamspace/sdk';
import { type Context, Hono } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { getCookie, setCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { etag } from 'hono/etag';
import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import { stream, streamSSE } from 'hono/streaming';
import { validator } from 'hono/validator';

const app = new Hono<{ Variables: { started: string } }>();
app.use(secureHeaders());
app.use('/cors/*', cors({ origin: 'https://app.example' }));
app.use('/etag/*', etag());
// `Authorization` is the core's, and never reaches a plugin.
app.use('/private/*', bearerAuth({ token: 'lovelace', prefix: '', headerName: 'x-api-key' }));
app.use('/timed/*', async (c, next) => {
  c.set('started', 'outer');
  await next();
  c.header('x-order', `${c.get('started')},${c.res.headers.get('x-order')}`);
});

const users = new Hono()
  .get('/', (c) => c.json({ page: Number(c.req.query('page') ?? 1), tags: c.req.queries('tag') ?? [] }))
  .get('/:id{[0-9]+}', (c) => c.json({ id: Number(c.req.param('id')) }))
  .get('/:name/posts/:post?', (c) => c.json(c.req.param()))
  .post(
    '/',
    validator('json', (value: { name?: unknown }, c: Context) =>
      typeof value.name === 'string' ? { name: value.name } : c.json({ error: 'name' }, 422),
    ),
    (c) => c.json(c.req.valid('json'), 201),
  )
  .delete('/:id', (c) => c.body(null, 204));

app.route('/users', users);
app.get('/timed/now', (c) => c.text(c.get('started'), 200, { 'x-order': 'inner' }));
app.get('/cors/data', (c) => c.json({ shared: true }));
app.get('/etag/page', (c) => c.text('the same each time'));
app.get('/private/page', (c) => c.text('hello ada'));
app.get('/cookie', (c) => {
  setCookie(c, 'theme', 'dark', { httpOnly: true, sameSite: 'Strict' });
  return c.json({ had: getCookie(c, 'theme') ?? null });
});
app.get('/page', (c) => c.html(html`<p>${c.req.query('name')}</p>`));
app.post('/form', async (c) => {
  const { title, file } = await c.req.parseBody();
  return c.json({ title, file: file instanceof File ? [file.name, file.type, await file.text()] : null });
});
app.post('/count', async (c) => {
  let bytes = 0;
  for await (const chunk of c.req.raw.body ?? []) bytes += chunk.length;
  return c.json({ bytes });
});
app.get('/stream', (c) =>
  stream(c, async (out) => {
    for (let i = 0; i < 50; i += 1) await out.write(`${'x'.repeat(10_000)}\n`);
  }),
);
app.get('/events', (c) =>
  streamSSE(c, async (out) => {
    for (const id of ['1', '2', '3']) await out.writeSSE({ id, event: 'tick', data: JSON.stringify({ id }) });
  }),
);
app.get('/teapot', () => {
  throw new HTTPException(418, { message: 'short and stout' });
});
app.get('/boom', () => {
  throw new Error('boom');
});
app.onError((error, c) =>
  error instanceof HTTPException ? error.getResponse() : c.json({ caught: error.message }, 500),
);
app.notFound((c) => c.json({ missing: c.req.path }, 404));

export default definePlugin({
  onLoad({ api }) {
    api.get('/own', () => ({ from: 'streamspace' }), { auth: 'public' });
    api.mount(app, { path: '/app', auth: 'public' });
  },
});
