import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// A plugin tries to get out of its files: to the disk, to another plugin, to the origin of the core.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: Evaluator;
let victim: Evaluator;

beforeAll(async () => {
  core = await startCore();
  evil = await installEvaluator(core, 'evil-filer', { permissions: ['files'] });
  victim = await installEvaluator(core, 'good-filer', { permissions: ['files'] });
  await victim.value(`await ctx.files.put('shared/name.txt', 'of the victim')`);
});
afterAll(() => core?.stop());

describe('paths', () => {
  const OUT = [
    '../good-filer/shared/name.txt',
    '..',
    '/etc/passwd',
    'a/../../b',
    './a',
    'a//b',
    'a/',
    '..\\..\\b',
    'C:\\x',
    'a\0.txt',
    'a\r\nset-cookie: x=y',
    '\ud800',
    '',
    'x'.repeat(1_025),
  ];

  test('that lead anywhere are refused by every call, and the disk has keys of the core alone', async () => {
    const code = `
      const { files } = ctx;
      const calls = {
        put: (p) => files.put(p, 'x'), get: (p) => files.get(p), stat: (p) => files.stat(p), delete: (p) => files.delete(p),
        copy: (p) => files.copy(p, 'x'), copyTo: (p) => files.copy('x', p), move: (p) => files.move('x', p), url: (p) => files.url(p),
      };
      const passed = [];
      for (const path of ${JSON.stringify(OUT)}) for (const name in calls) {
        const code = await calls[name](path).then(() => 'ok', (e) => e.code);
        if (code !== 'invalid_input') passed.push([name, path, code]);
      }
      return passed`;
    expect(await evil.value(code)).toEqual([]);
    await evil.value(
      `for (const p of ['%2e%2e/x', '..%2fx', 'con', 'a:b', '~', '$HOME', '.git/config']) await ctx.files.put(p, 'x')`,
    );
    const names = await readdir(join(core.dataDir, 'files'), { recursive: true });
    for (const name of names)
      expect(name).toMatch(/^(?:\.streamspace-folder|incoming|[0-9a-f]{2}(?:\/[0-9a-f]{32})?)$/);
  });

  test('of another plugin are paths of its own: nothing there is seen, changed or linked to', async () => {
    const code = `
      const { files } = ctx;
      const before = await files.get('shared/name.txt');
      await files.put('shared/name.txt', 'of the evil one');
      await files.delete('shared/name.txt');
      const { files: list } = await files.list({ prefix: 'shared' });
      return [before, list.length, await files.url('shared/name.txt')]`;
    const [before, listed, url] = await evil.value(code);
    expect([before, listed]).toEqual([null, 0]);
    expect((await fetch(core.url + url)).status).toBe(404);
    expect(await victim.value(`return (await ctx.files.get('shared/name.txt')).text()`)).toBe('of the victim');
  });

  test('in what goes over the wire by hand: unknown fields, other plugins, wrong types', async () => {
    // The one way to the wire is the room's own; what it is given is checked as it comes.
    const code = `
      const tries = [
        () => ctx.files.list({ plugin: 'good-filer' }), () => ctx.files.list({ prefix: '', limit: 1e9 }),
        () => ctx.files.list({ cursor: 'Li4vLi4v' }), () => ctx.files.put('a', 'x', { contentType: 'text/html\\r\\nx-evil: 1' }),
        () => ctx.files.put('a', 'x', { metadata: { 'x-evil\\r\\n': '1' } }), () => ctx.files.put('a', 'x', { ifMatch: "' or true" }),
        () => ctx.files.put({ toString: () => '../a' }, 'x'), () => ctx.files.get('a', { range: 'bytes=0-1,2-3' }),
        () => ctx.files.get('a', { range: { offset: -1 } }), () => ctx.files.url('a', { expires: -1 }),
        () => ctx.files.put('a', new ReadableStream({ start(c) { c.enqueue('text'); c.close(); } })),
      ];
      const codes = [];
      for (const one of tries) codes.push(await one().then(() => 'ok', (e) => e.code ?? e.name));
      return codes`;
    const codes = (await evil.value(code)) as string[];
    expect(codes.slice(0, -1)).toEqual(Array(10).fill('invalid_input'));
    expect(codes.at(-1)).toBe('aborted');
  });
});

describe('active content', () => {
  const PAGE = '<script>fetch("/api/users", { credentials: "include" })</script>';

  test.each([
    'text/html',
    'text/html;charset=utf-8',
    'Text/HTML',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/xml',
    'application/pdf',
    'text/javascript',
    'application/x-shockwave-flash',
    'multipart/x-mixed-replace;boundary=x',
    'unknown/unknown',
    'message/rfc822',
  ])('%s is saved, sandboxed, and never code of our origin', async (contentType) => {
    const put = `await ctx.files.put('page', ${JSON.stringify(PAGE)}, { contentType: ${JSON.stringify(contentType)} })`;
    const url = (await evil.value(`${put}; return ctx.files.url('page')`)) as string;
    const { headers, status } = await fetch(core.url + url);
    expect(status).toBe(200);
    expect(headers.get('content-disposition')).toStartWith('attachment;');
    expect(headers.get('content-security-policy')).toStartWith('sandbox;');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('content-type')).not.toMatch(/javascript|multipart/i);
  });

  test('what is called a picture stays one, whatever is in it', async () => {
    const code = `await ctx.files.put('x.png', ${JSON.stringify(PAGE)}, { contentType: 'image/png' }); return ctx.files.url('x.png')`;
    const { headers } = await fetch(core.url + (await evil.value(code)));
    expect([headers.get('content-type'), headers.get('x-content-type-options')]).toEqual(['image/png', 'nosniff']);
    expect(headers.get('content-security-policy')).toStartWith('sandbox;');
  });

  test('a name cannot write headers or another disposition', async () => {
    const name = `a"; filename=evil.html; x="é;.txt`;
    const code = `await ctx.files.put(${JSON.stringify(name)}, 'x'); return ctx.files.url(${JSON.stringify(name)})`;
    const { headers } = await fetch(core.url + (await evil.value(code)));
    expect(headers.get('content-disposition')).toBe(
      `inline; filename="a__ filename=evil.html_ x=___.txt"; filename*=UTF-8''${encodeURIComponent(name)}`,
    );
  });

  test('the path of a link is no way into the API, and the API none into a link', async () => {
    const url = (await evil.value(`await ctx.files.put('a', 'x'); return ctx.files.url('a')`)) as string;
    for (const path of [
      `${url}/../../api/users`,
      `/files/../api/users`,
      `${url}%2f..`,
      `${url}/`,
      `/api/plugins/evil-filer${url}`,
    ]) {
      const response = await fetch(core.url + path, { redirect: 'manual' });
      expect(response.status).toBeGreaterThanOrEqual(400);
    }
    expect((await fetch(`${core.url}${url}?x=1`)).status).toBe(200);
  });
});

test('a guest that patched its world still has its files, or an error of its own', async () => {
  const code = `
    for (const key of ['stream', 'text', 'latin1', 'range', 'found']) Object.prototype[key] = 7;
    Promise.prototype.then = () => { throw new Error('patched') };
    Array.prototype[Symbol.iterator] = () => { throw new Error('patched') };
    globalThis.Response = globalThis.Request = globalThis.Uint8Array = null;
    Object.defineProperty = Reflect.apply = () => { throw new Error('patched') };
    await ctx.files.put('patched', 'content');
    const file = await ctx.files.get('patched', { range: undefined });
    return [await file.text(), file.size]`;
  expect(await evil.value(code)).toEqual(['content', 7]);
  await evil.renew();
  expect(await victim.value(`return (await ctx.files.get('shared/name.txt')).text()`)).toBe('of the victim');
});
