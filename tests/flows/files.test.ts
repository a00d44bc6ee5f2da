import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { DbSocket } from '../../src/db/client.ts';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { sha256, streamOf } from '../kit/files.ts';
import { install, tempFolder } from '../kit/plugin.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { type RunningCore, startCore, urlOf } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Files on their whole way: from an isolate through the core to the disk and back, and by links to anybody.

setDefaultTimeout(60_000);

let data: Awaited<ReturnType<typeof tempFolder>>;
let database: TestDatabase;
let core: RunningCore;
let guest: Evaluator;

const start = (backend = 'local') =>
  startCore({
    database: 'embedded',
    dataDir: data.path,
    env: { DATABASE_URL: urlOf(database.address as DbSocket), STREAMSPACE_FILES_BACKEND: backend },
  });

/** Names of the blobs on the disk. */
async function blobs(): Promise<string[]> {
  const names = await readdir(join(data.path, 'files'), { recursive: true }).catch(() => []);
  return names.filter((name) => /[0-9a-f]{32}$/.test(name)).sort();
}

beforeAll(async () => {
  data = await tempFolder();
  database = await testDatabase();
  core = await start();
  // The core of the time: there is another after the crash.
  const api = { api: (...args: Parameters<RunningCore['api']>) => core.api(...args) } as RunningCore;
  guest = await installEvaluator(
    api,
    'keeper',
    { permissions: ['files'], limits: { memoryMb: 32 } },
    {
      first: `
      const { api, files } = streamspace;
      const open = { auth: 'public' };
      api.put('/up/:name', async (request, { params }) => files.put(params.name, request), open);
      api.get('/down/:name', async (_request, { params }) => {
        const file = await files.get(params.name);
        return file === null ? new Response(null, { status: 404 }) : new Response(file.body);
      }, open);`,
    },
  );
});
afterAll(async () => {
  await core?.stop();
  await database?.drop();
  await data?.[Symbol.asyncDispose]();
});

describe('from the guest', () => {
  test('a body of any kind is put, with the type that it has', async () => {
    const code = `
      const { files } = ctx;
      const bodies = {
        text: 'héllo', bytes: new Uint8Array([0, 255, 128]), buffer: new Uint8Array([1, 2]).buffer,
        view: new DataView(new Uint8Array([9, 8, 7]).buffer, 1, 1),
        blob: new Blob(['of a blob'], { type: 'text/x-blob' }),
        stream: new Blob(['of a stream']).stream(),
        response: new Response('of a response', { headers: { 'content-type': 'text/x-response' } }),
        request: new Request('https://example.com', { method: 'POST', body: 'of a request', headers: { 'content-type': 'text/x-request' } }),
        form: new URLSearchParams({ a: '1 2' }), empty: '', long: 'é'.repeat(200_000), many: new Uint8Array(300_000).fill(7),
      };
      const told = {};
      for (const name in bodies) {
        const info = await files.put('kinds/' + name, bodies[name]);
        const file = await files.get('kinds/' + name);
        const bytes = await file.bytes();
        told[name] = [info.contentType, info.size, bytes.length, file.etag === info.etag, new TextDecoder().decode(bytes.slice(0, 13))];
      }
      return told`;
    const binary = 'application/octet-stream';
    const text = 'text/plain;charset=UTF-8';
    const told = (await guest.value(code)) as Record<string, unknown[]>;
    expect(told).toMatchObject({
      text: [text, 6, 6, true, 'héllo'],
      bytes: [binary, 3, 3, true, expect.anything()],
      buffer: [binary, 2, 2, true, '\x01\x02'],
      view: [binary, 1, 1, true, '\b'],
      blob: ['text/x-blob', 9, 9, true, 'of a blob'],
      stream: [binary, 11, 11, true, 'of a stream'],
      response: ['text/x-response', 13, 13, true, 'of a response'],
      request: ['text/x-request', 12, 12, true, 'of a request'],
      form: ['application/x-www-form-urlencoded;charset=UTF-8', 5, 5, true, 'a=1+2'],
      empty: [text, 0, 0, true, ''],
      long: [text, 400_000, 400_000, true, expect.anything()],
      many: [binary, 300_000, 300_000, true, '\x07'.repeat(13)],
    });
  });

  test('a file is read in every form, and in parts', async () => {
    const code = `
      const { files } = ctx;
      await files.put('forms', '{"a":[1,"é"]}', { contentType: 'application/json', metadata: { by: 'me' } });
      const get = (range) => files.get('forms', range === undefined ? {} : { range });
      const file = await get();
      const { path, size, contentType, metadata, range } = file;
      const parts = [];
      for (const part of [{ offset: 5 }, { offset: 1, length: 3 }, { suffix: 2 }, 'bytes=0-0']) {
        const found = await get(part);
        parts.push([found.range, await found.text()]);
      }
      const refused = [];
      for (const part of [{ offset: 99 }, 'bytes=99-', 'lines=1', { offset: -1 }]) {
        refused.push(await get(part).then(() => 'ok', (error) => [error.name, error.code]));
      }
      return {
        path, size, contentType, metadata, range, json: await file.json(), again: await file.text().catch((e) => e.name),
        buffer: (await (await get()).arrayBuffer()).byteLength, blob: (await (await get()).blob()).type,
        none: await files.get('none'), stat: await files.stat('none'), parts, refused,
      }`;
    expect(await guest.value(code)).toEqual({
      path: 'forms',
      size: 14,
      contentType: 'application/json',
      metadata: { by: 'me' },
      range: null,
      json: { a: [1, 'é'] },
      again: 'TypeError',
      buffer: 14,
      blob: 'application/json',
      none: null,
      stat: null,
      parts: [
        [{ offset: 5, length: 9 }, '1,"é"]}'.slice(-7)],
        [{ offset: 1, length: 3 }, '"a"'],
        [{ offset: 12, length: 2 }, ']}'],
        [{ offset: 0, length: 1 }, '{'],
      ].map(([range, text]) => [range, text === '1,"é"]}' ? '[1,"é"]}' : text]),
      refused: [
        ['StreamSpaceError', 'range_not_satisfiable'],
        ['StreamSpaceError', 'range_not_satisfiable'],
        ['StreamSpaceError', 'invalid_input'],
        ['StreamSpaceError', 'invalid_input'],
      ],
    });
  });

  test('lists, copies, moves and removes; conditions tell what is there', async () => {
    const code = `
      const { files } = ctx;
      for (const path of ['tree/a', 'tree/b/1', 'tree/b/2', 'tree/c']) await files.put(path, path);
      const first = await files.list({ prefix: 'tree/', delimiter: '/', limit: 2 });
      const second = await files.list({ prefix: 'tree/', delimiter: '/', cursor: first.cursor });
      await files.copy('tree/a', 'tree/d');
      await files.move('tree/c', 'tree/e');
      const conflict = await files.put('tree/a', 'x', { ifNoneMatch: '*' }).catch((e) => [e.code, e.etag]);
      const { etag } = await files.stat('tree/a');
      await files.put('tree/a', 'x', { ifMatch: '"' + etag + '"' });
      const gone = await files.copy('none', 'x').catch((e) => e.code);
      const deleted = [await files.delete('tree/a'), await files.delete('tree/a')];
      const rest = (await files.list({ prefix: 'tree/' })).files.map(({ path }) => path);
      return { first: [first.files.length, first.folders], second: [second.files.map(({ path }) => path), second.cursor ?? null],
        conflict, etag, gone, deleted, rest }`;
    expect(await guest.value(code)).toEqual({
      first: [1, ['tree/b/']],
      second: [['tree/c'], null],
      conflict: ['file_changed', sha256('tree/a')],
      etag: sha256('tree/a'),
      gone: 'not_found',
      deleted: [true, false],
      rest: ['tree/b/1', 'tree/b/2', 'tree/d', 'tree/e'],
    });
  });

  test('without the permission there are no files, and the refusal names it', async () => {
    const other = await installEvaluator(core, 'without');
    const { error } = await other.run(`return ctx.files.stat('a')`);
    expect(error).toMatchObject({ name: 'PermissionError', message: expect.stringContaining('files') });
    await core.api('DELETE', '/api/plugins/without');
  });
});

describe('streams', () => {
  const bytes = 20 * 1024 * 1024;

  test('20 MB go through an isolate of 32 MB to the disk and back', async () => {
    const body = await new Response(streamOf(bytes)).bytes();
    const up = await core.api('PUT', '/api/plugins/keeper/up/large', { body, headers: { 'content-type': 'video/x' } });
    expect(up.body).toMatchObject({ size: bytes, etag: sha256(body), contentType: 'video/x' });
    const down = await fetch(`${core.url}/api/plugins/keeper/down/large`);
    expect(sha256(await down.bytes())).toBe(sha256(body));
    expect((await guest.get('/ping')).body).toEqual({ pong: true });
  });

  test('over the quota is cut while it comes in, and the file that was there stays', async () => {
    await core.api('PATCH', '/api/plugins/keeper', { body: { limits: { filesBytes: bytes + 2_000_000 } } });
    const code = `
      globalThis.pulled = 0;
      const body = new ReadableStream({ pull(controller) { pulled++; controller.enqueue(new Uint8Array(65536)); } });
      return ctx.files.put('small', body).catch((e) => [e.name, e.code, e.limit, e.max, pulled < 100])`;
    await guest.value(`await ctx.files.put('small', 'before')`);
    expect(await guest.value(code)).toEqual(['QuotaError', 'quota_exceeded', 'filesBytes', bytes + 2_000_000, true]);
    expect(await guest.value(`return (await ctx.files.get('small')).text()`)).toBe('before');
    const { limits } = (await core.api('GET', '/api/plugins/keeper/budget')).body;
    const used = limits.find(({ limit }: { limit: string }) => limit === 'filesBytes').used;
    const sum = `let sum = 0; for (const { size } of (await ctx.files.list({ limit: 1000 })).files) sum += size; return sum`;
    expect(used).toBe(await guest.value(sum));
    await core.api('PATCH', '/api/plugins/keeper', { body: { limits: {} } });
  });

  test('many at once never get over the quota', async () => {
    const used = await guest.value(`return (await ctx.budget.get('filesBytes')).used`);
    await core.api('PATCH', '/api/plugins/keeper', { body: { limits: { filesBytes: used + 800_000 } } });
    const code = `
      const body = (i) => (i % 2 === 0 ? new Uint8Array(100_000) : new Blob([new Uint8Array(100_000)]).stream());
      const put = (i) => ctx.files.put('many/' + i, body(i)).then(() => 'ok', (e) => e.code);
      const codes = await Promise.all(Array.from({ length: 16 }, (_, i) => put(i)));
      const after = (await ctx.budget.get('filesBytes')).used;
      for (let i = 0; i < 16; i++) await ctx.files.delete('many/' + i);
      const back = (await ctx.budget.get('filesBytes')).used;
      return { codes: codes.sort(), after, back }`;
    const { codes, after, back } = await guest.value(code);
    const got = codes.filter((one: string) => one === 'ok').length;
    expect(new Set(codes)).toEqual(new Set(['ok', 'quota_exceeded']));
    expect(got).toBeGreaterThanOrEqual(7);
    expect([after, back]).toEqual([used + got * 100_000, used]);
    expect(after).toBeLessThanOrEqual(used + 800_000);
    await core.api('PATCH', '/api/plugins/keeper', { body: { limits: {} } });
  });
});

describe('links', () => {
  const link = async (path: string, options = ''): Promise<string> =>
    core.url + (await guest.value(`return ctx.files.url('${path}', {${options}})`));

  test('give a file to anybody: whole, in parts, or not again', async () => {
    await guest.value(`await ctx.files.put('shared/note.txt', '0123456789')`);
    const url = await link('shared/note.txt');
    const whole = await fetch(url);
    expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
    const etag = whole.headers.get('etag') ?? '';
    expect(etag).toBe(`"${sha256('0123456789')}"`);
    const part = await fetch(url, { headers: { range: 'bytes=2-4', 'if-range': etag } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
    const again = await fetch(url, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
    const none = await fetch(url, { headers: { range: 'bytes=99-' } });
    expect(none.status).toBe(416);
    expect(none.headers.get('content-range')).toBe('bytes */10');
    expect(await none.json()).toMatchObject({ code: 'range_not_satisfiable', size: 10 });
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    const saved = await fetch(await link('shared/note.txt', 'download: true'));
    expect(saved.headers.get('content-disposition')).toStartWith('attachment');
  });

  test('give what is at the path when they are used, and end with it', async () => {
    const url = await link('shared/changing');
    expect((await fetch(url)).status).toBe(404);
    await guest.value(`await ctx.files.put('shared/changing', 'one')`);
    expect(await (await fetch(url)).text()).toBe('one');
    await guest.value(`await ctx.files.put('shared/changing', 'two')`);
    expect(await (await fetch(url)).text()).toBe('two');
    await guest.value(`await ctx.files.delete('shared/changing')`);
    expect(await (await fetch(url)).json()).toMatchObject({ status: 404, code: 'not_found' });
  });

  test('cannot be changed, or made to last for ever', async () => {
    const url = await link('shared/note.txt');
    const forged = await fetch(`${url.slice(0, -3)}AAA`);
    expect([forged.status, forged.headers.get('content-type')]).toEqual([403, 'application/problem+json']);
    const { error } = await guest.run(`return ctx.files.url('a', { expires: 604801 })`);
    expect(error).toMatchObject({ code: 'invalid_input' });
  });

  test('rest while the capability or the plugin is off, and are no more when it is removed', async () => {
    const url = await link('shared/note.txt');
    await core.api('PUT', '/api/plugins/keeper/switches/files', { body: { on: false, reason: 'a test' } });
    expect(await (await fetch(url)).json()).toMatchObject({ status: 503, code: 'capability_off' });
    await core.api('PUT', '/api/plugins/keeper/switches/files', { body: { on: true } });
    expect((await fetch(url)).status).toBe(200);
    await core.api('POST', '/api/plugins/keeper/disable');
    expect((await fetch(url)).status).toBe(404);
    await core.api('POST', '/api/plugins/keeper/enable');
    expect((await fetch(url)).status).toBe(200);

    const before = await blobs();
    const other = await installEvaluator(core, 'leaver', { permissions: ['files'] });
    await other.value(`await ctx.files.put('a', 'mine')`);
    const theirs = core.url + (await other.value(`return ctx.files.url('a')`));
    expect(await (await fetch(theirs)).text()).toBe('mine');
    expect(await blobs()).toHaveLength(before.length + 1);
    await core.api('DELETE', '/api/plugins/leaver');
    expect((await fetch(theirs)).status).toBe(404);
    await until(async () => (await blobs()).length === before.length, 'its blobs are removed');
    const again = await installEvaluator(core, 'leaver', { permissions: ['files'] });
    expect(await again.value(`return ctx.files.stat('a')`)).toBeNull();
    await again.value(`await ctx.files.put('a', 'of another')`);
    expect((await fetch(theirs)).status).toBe(404);
    await core.api('DELETE', '/api/plugins/leaver?data=keep');
    const kept = await installEvaluator(core, 'leaver', { permissions: ['files'] });
    expect(await kept.value(`return (await ctx.files.get('a')).text()`)).toBe('of another');
    await core.api('DELETE', '/api/plugins/leaver');
  });
});

describe('for admins', () => {
  test('list, download, remove', async () => {
    await guest.value(`for (const path of ['adm/a', 'adm/b/1', 'adm/c']) await ctx.files.put(path, 'of ' + path)`);
    const page = await core.api('GET', '/api/plugins/keeper/data/files?prefix=adm/&limit=2');
    expect(page.body.items.map(({ path }: { path: string }) => path)).toEqual(['adm/a', 'adm/b/1']);
    const rest = await core.api('GET', `/api/plugins/keeper/data/files?prefix=adm/&cursor=${page.body.nextCursor}`);
    expect(rest.body).toMatchObject({ items: [{ path: 'adm/c', size: 8 }], nextCursor: null });
    const folders = await core.api('GET', '/api/plugins/keeper/data/files?prefix=adm/&delimiter=/');
    expect(folders.body.folders).toEqual(['adm/b/']);
    const content = await core.api('GET', '/api/plugins/keeper/data/files/content?path=adm/c', {
      headers: { range: 'bytes=0-1' },
    });
    expect([content.status, content.body, content.headers.get('content-disposition')?.slice(0, 10)]).toEqual([
      206,
      'of',
      'attachment',
    ]);
    expect((await core.api('DELETE', '/api/plugins/keeper/data/files?path=adm/c')).status).toBe(204);
    expect((await core.api('DELETE', '/api/plugins/keeper/data/files?path=adm/c')).status).toBe(404);
    expect((await core.api('GET', '/api/plugins/keeper/data/files/content?path=../a')).body.code).toBe('invalid_input');
    const token = await core.signUp('reader@example.com');
    for (const path of ['data/files', 'data/files/content?path=adm/a']) {
      expect((await core.api('GET', `/api/plugins/keeper/${path}`, { token })).status).toBe(403);
      expect((await core.api('GET', `/api/plugins/keeper/${path}`, { token: null })).status).toBe(401);
    }
  });
});

test('a core that is killed between blob and row leaves the old file, and the blob is found', async () => {
  await guest.value(`await ctx.files.put('crash', 'old')`);
  const before = await blobs();
  const held = await database.db.connection().execute(async (connection) => {
    await sql`begin`.execute(connection);
    await sql`lock table plugin_files in share row exclusive mode`.execute(connection);
    void fetch(`${core.url}/api/plugins/keeper/up/crash`, { method: 'PUT', body: 'new' }).catch(() => undefined);
    const orphan = await until(
      async () => (await blobs()).find((name) => !before.includes(name) && !name.startsWith('incoming')),
      'the blob is there',
    );
    await core.kill();
    // Postgres would carry out what the core had asked for, which is as good; here it is not to.
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(connection);
    await sql`rollback`.execute(connection);
    return orphan;
  });
  const { rows } = await sql<{ key: string; state: string }>`
    select key, state from plugin_blobs where names = 0`.execute(database.db);
  expect(rows).toEqual([{ key: held.slice(3), state: 'writing' }]);
  await sql`update plugin_blobs set due_at = now() where names = 0`.execute(database.db);
  core = await start('plugin:memory-backend');
  await until(async () => !(await blobs()).includes(held), 'the sweep finds the blob');
  expect(await blobs()).toEqual(before);
  const answer = await core.api('GET', '/api/plugins/keeper/down/crash');
  expect(answer.body).toBe('old');
});

describe('kept by a plugin', () => {
  const backend = (method: string, path: string) =>
    core.api(method, `/api/plugins/memory-backend${path}`, { token: null });
  const mood = (name: string) => backend('POST', `/mood/${name}`);
  const coded = (code: string) =>
    guest.value(`return (async () => { ${code} })().then((v) => v ?? null, (e) => [e.code, e.plugin ?? null])`);

  test('that is not there: an error that names it, and what is kept elsewhere is there', async () => {
    expect(await coded(`await ctx.files.put('a', 'x')`)).toEqual(['service_unavailable', 'memory-backend']);
    expect(await coded(`return (await ctx.files.get('crash')).text()`)).toBe('old');
  });

  test('contents go to it and come back, in parts too', async () => {
    await install(core, 'memory-backend');
    const size = 3_000_000;
    const code = `
      await ctx.files.put('at/small', 'of the plugin');
      const bytes = new Uint8Array(${size}).map((_, i) => i % 251);
      const { etag } = await ctx.files.put('at/large', new Blob([bytes]).stream());
      const large = await ctx.files.get('at/large');
      const back = await large.bytes();
      const part = await (await ctx.files.get('at/large', { range: { offset: 1_000_000, length: 500_000 } })).bytes();
      return [(await (await ctx.files.get('at/small')).text()), back.length, back[1_234_567] === bytes[1_234_567], part.length, part[0] === bytes[1_000_000]]`;
    const onDisk = await blobs();
    expect(await guest.value(code)).toEqual(['of the plugin', size, true, 500_000, true]);
    expect(await blobs()).toEqual(onDisk);
    expect((await backend('GET', '/state')).body.keys).toHaveLength(2);
    const url = core.url + (await guest.value(`return ctx.files.url('at/small')`));
    expect(await (await fetch(url)).text()).toBe('of the plugin');
    await guest.value(`await ctx.files.put('at/small', 'anew'); await ctx.files.delete('at/large')`);
    expect((await backend('GET', '/state')).body.keys).toHaveLength(1);
    // Its own files it does not keep itself.
    await backend('POST', '/own');
    expect(await blobs()).toHaveLength(onDisk.length + 1);
  });

  test('what it does wrong is an error, and not a file', async () => {
    const put = `await ctx.files.put('bad', 'content')`;
    const get = `return (await ctx.files.get('at/small')).text()`;
    await mood('throws');
    expect(await coded(put)).toEqual(['service_failed', 'memory-backend']);
    expect(await coded(get)).toEqual(['service_failed', 'memory-backend']);
    expect(await core.logged('memory-backend', 'the store is full')).toContain('the store is full');
    await mood('lies');
    expect(await coded(put)).toEqual(['service_failed', null]);
    await mood('damages');
    expect(await coded(put)).toEqual(['service_failed', 'memory-backend']);
    expect(await coded(get)).toEqual(['file_corrupted', null]);
    await mood('breaks');
    expect(await coded(get)).toEqual(['service_failed', 'memory-backend']);
    await mood('sound');
    expect(await coded(get)).toBe('anew');
    expect(await guest.value(`return ctx.files.stat('bad')`)).toBeNull();
  });

  test('the pace of the slower one holds, both ways', async () => {
    const windows = 64;
    await guest.value(`
      globalThis.pulled = 0;
      globalThis.large = () => new ReadableStream({
        pull(controller) {
          if (pulled === 400) return controller.close();
          pulled++;
          controller.enqueue(new Uint8Array(65536));
        },
      });
      await ctx.files.put('paced', large());
      pulled = 0`);
    await mood('slow');
    await guest.value(`
      globalThis.putting = ctx.files.put('slow', large());
      globalThis.reader = (await ctx.files.get('paced')).body.getReader();
      await reader.read()`);
    const still = async (read: () => Promise<number>): Promise<number> => {
      let last = -1;
      return until(async () => {
        const now = await read();
        const same = now > 0 && now === last;
        last = now;
        return same ? now : null;
      }, 'it stands still');
    };
    expect(await still(() => guest.value('return pulled'))).toBeLessThan(windows);
    expect(await still(async () => (await backend('GET', '/state')).body.given)).toBeLessThan(windows);
    await guest.value(`await reader.cancel()`);
    await mood('sound');
    expect(await guest.value(`return (await putting).size`)).toBe(400 * 65_536);
  });

  test('that is switched off or removed is unavailable', async () => {
    await core.api('PUT', '/api/plugins/memory-backend/switches/services', { body: { on: false } });
    expect(await coded(`await ctx.files.put('a', 'x')`)).toEqual(['service_unavailable', 'memory-backend']);
    await core.api('PUT', '/api/plugins/memory-backend/switches/services', { body: { on: true } });
    expect(await coded(`await ctx.files.put('a', 'x')`)).toBeNull();
    await core.api('DELETE', '/api/plugins/memory-backend');
    expect(await coded(`return (await ctx.files.get('a')).text()`)).toEqual(['service_unavailable', 'memory-backend']);
  });
});
