import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

setDefaultTimeout(60_000);

/** Two requests meet at `/gate`: each waits in the middle of its work until the other is there as well. */
const SOURCE = `
  import { AsyncLocalStorage } from 'node:async_hooks';
  import { definePlugin } from '@streamspace/sdk';
  const als = new AsyncLocalStorage();
  const id = () => als.getStore()?.id ?? 'none';
  let waiting = null;
  const meet = () => {
    if (waiting === null) { waiting = Promise.withResolvers(); return waiting.promise; }
    waiting.resolve();
    waiting = null;
    return null;
  };
  export default definePlugin({
    onLoad({ api, storage, events }) {
      als.enterWith({ id: 'from onLoad' });
      api.get('/leak', () => { const before = id(); als.enterWith({ id: 'from another request' }); return { before }; }, { auth: 'public' });
      api.use((request, ctx, next) => als.run({ id: new URL(request.url).searchParams.get('id') }, next));
      api.get('/gate', async () => {
        const seen = [id()];
        await meet();
        seen.push(id());
        await storage.set(id(), 1);
        seen.push(id());
        await new Promise((resolve) => setTimeout(resolve, 1));
        seen.push(id());
        await Promise.all([meet(), storage.get('x')]);
        seen.push(id());
        return { seen };
      }, { auth: 'public' });
      api.get('/stream', () => new Response(new ReadableStream({
        async start(controller) {
          for (let n = 0; n < 3; n += 1) {
            controller.enqueue(new TextEncoder().encode(id() + ' '));
            await storage.get('x');
          }
          controller.close();
        },
      })), { auth: 'public' });
    },
  });`;

let core: RunningCore;
beforeAll(async () => {
  core = await startCore();
  await install(core, { manifest: { name: 'context' }, 'index.ts': SOURCE });
});
afterAll(() => core.stop());

const get = async (path: string) => (await core.api('GET', `/api/plugins/context${path}`, { token: null })).body;

test('two requests under way at the same time see each their own store', async () => {
  const [a, b] = await Promise.all([get('/gate?id=a'), get('/gate?id=b')]);
  expect(a.seen).toEqual(['a', 'a', 'a', 'a', 'a']);
  expect(b.seen).toEqual(['b', 'b', 'b', 'b', 'b']);
});

test('a streamed answer keeps the store of its request', async () => {
  const answers = await Promise.all(['c', 'd'].map((id) => fetch(`${core.url}/api/plugins/context/stream?id=${id}`)));
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['c c c ', 'd d d ']);
});

test('nothing is left of what another request or onLoad entered', async () => {
  for (let n = 0; n < 3; n += 1) expect(await get('/leak')).toEqual({ before: 'none' });
  const together = await Promise.all(Array.from({ length: 20 }, () => get('/leak')));
  expect(new Set(together.map(({ before }) => before))).toEqual(new Set(['none']));
});
