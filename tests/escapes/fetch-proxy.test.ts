import { expect, test } from 'bun:test';
import { httpAnswer, rawServer } from '../kit/fetch-room.ts';

// ADVERSARY 52: a proxy in the environment of the core is not used, whatever its spelling.
test('proxies of the environment are not honoured', async () => {
  await using proxy = await rawServer((socket) => socket.write(httpAnswer('200 OK', [], 'proxy')));
  await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK', ['Connection: close'], 'server')));
  const names = ['http_proxy', 'https_proxy', 'all_proxy'];
  const env = Object.fromEntries(names.flatMap((name) => [name, name.toUpperCase()]).map((name) => [name, proxy.url]));
  const script = `
    import { fetchRoom } from './tests/kit/fetch-room.ts';
    const room = fetchRoom(['network:127.0.0.1:${server.port}']);
    console.log(await room.text(await room.request({ url: '${server.url}/' })));
    process.exit(0);`;
  const child = Bun.spawn([process.execPath, '-e', script], {
    cwd: `${import.meta.dir}/../..`,
    env: { ...env, NODE_USE_ENV_PROXY: '1', NO_PROXY: '', no_proxy: '', PATH: process.env.PATH },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect({ out: out.trim(), err, code: await child.exited }).toEqual({ out: 'server', err: '', code: 0 });
  expect(proxy.connections).toBe(0);
});
