import { beforeAll, describe, expect, test } from 'bun:test';
import { answerFile } from '../../src/http/files-answer.ts';
import { memoryFiles } from '../kit/memory-files.ts';

const files = memoryFiles();
const TEXT = 'abcdefghij';
let etag = '';
let modified = '';

async function put(path: string, content: string, contentType: string): Promise<void> {
  const file = { contentType, metadata: {}, size: null };
  etag = `"${(await files.put('p', path, new TextEncoder().encode(content), file, new AbortController().signal)).etag}"`;
}

async function ask(headers: Record<string, string> = {}, method = 'GET', path = 'ten.txt', download = false) {
  const response = await answerFile(files, 'p', path, { method, headers: new Headers(headers), download });
  if (response === null) throw new Error('there is no such file');
  return { status: response.status, headers: response.headers, text: await response.text() };
}

beforeAll(async () => {
  await put('ten.txt', TEXT, 'text/plain;charset=UTF-8');
  modified = (await ask()).headers.get('last-modified') ?? '';
});

test('all of it, with what is known of it', async () => {
  const { status, headers, text } = await ask();
  expect([status, text]).toEqual([200, TEXT]);
  expect(Object.fromEntries(headers)).toMatchObject({
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-disposition': `inline; filename="ten.txt"; filename*=UTF-8''ten.txt`,
    'content-length': '10',
    'content-type': 'text/plain;charset=UTF-8',
    etag,
    'x-content-type-options': 'nosniff',
  });
  expect(headers.get('content-security-policy')).toStartWith('sandbox;');
  expect(await answerFile(files, 'p', 'none', { method: 'GET', headers: new Headers(), download: false })).toBeNull();
});

test('HEAD has the headers alone, also with a Range', async () => {
  const { status, headers, text } = await ask({ range: 'bytes=0-1' }, 'HEAD');
  expect([status, text, headers.get('content-length'), headers.get('etag')]).toEqual([200, '', '10', etag]);
});

describe('ranges', () => {
  test.each([
    ['bytes=0-0', 'a', '0-0'],
    ['bytes=2-4', 'cde', '2-4'],
    ['bytes=8-', 'ij', '8-9'],
    ['bytes=8-99', 'ij', '8-9'],
    ['bytes=-3', 'hij', '7-9'],
    ['bytes=-99', TEXT, '0-9'],
    ['Bytes=0-1', 'ab', '0-1'],
  ])('%s', async (range, part, sent) => {
    const { status, headers, text } = await ask({ range });
    expect([status, text]).toEqual([206, part]);
    expect(headers.get('content-range')).toBe(`bytes ${sent}/10`);
    expect(headers.get('content-length')).toBe(String(part.length));
  });

  test.each(['bytes=0-1,3-4', 'bytes=4-2', 'bytes=-', 'bytes=a-b', 'items=0-1', 'bytes=1', 'bytes 0-1'])(
    '%s is ignored',
    async (range) => {
      const { status, text } = await ask({ range });
      expect([status, text]).toEqual([200, TEXT]);
    },
  );

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=999999999999999-'])('%s is not there', async (range) => {
    expect(await ask({ range }).catch((error: unknown) => error)).toMatchObject({
      code: 'range_not_satisfiable',
      extra: { size: 10 },
    });
  });

  test('If-Range: a part of this file, or all of another', async () => {
    const range = 'bytes=0-1';
    expect((await ask({ range, 'if-range': etag })).status).toBe(206);
    expect((await ask({ range, 'if-range': modified })).status).toBe(206);
    for (const other of ['"x"', `W/${etag}`, 'Mon, 01 Jan 2001 00:00:00 GMT', 'nonsense']) {
      expect((await ask({ range, 'if-range': other })).text).toBe(TEXT);
    }
  });
});

describe('conditions', () => {
  test('what the client has is not sent again', async () => {
    for (const none of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
      const { status, headers, text } = await ask({ 'if-none-match': none, range: 'bytes=0-1' });
      expect([status, text, headers.get('etag'), headers.get('content-length')]).toEqual([304, '', etag, null]);
    }
    expect((await ask({ 'if-none-match': '"x"', 'if-modified-since': modified })).status).toBe(200);
    expect((await ask({ 'if-modified-since': modified })).status).toBe(304);
    expect((await ask({ 'if-modified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).status).toBe(200);
    expect((await ask({ 'if-modified-since': 'yesterday' })).status).toBe(200);
  });

  test('If-Match', async () => {
    expect((await ask({ 'if-match': `"x", ${etag}` })).status).toBe(200);
    expect((await ask({ 'if-match': '*' })).status).toBe(200);
    const error = await ask({ 'if-match': `"x", W/${etag}` }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'file_changed', status: 412 });
  });
});

describe('what a browser makes of it', () => {
  test.each([
    ['image/png', 'inline', 'image/png'],
    ['video/mp4; codecs="avc1"', 'inline', 'video/mp4; codecs="avc1"'],
    ['text/plain', 'inline', 'text/plain'],
    ['text/html', 'attachment', 'text/html'],
    ['TEXT/HTML;charset=utf-8', 'attachment', 'TEXT/HTML;charset=utf-8'],
    ['image/svg+xml', 'attachment', 'image/svg+xml'],
    ['application/xhtml+xml', 'attachment', 'application/xhtml+xml'],
    ['text/xml', 'attachment', 'text/xml'],
    ['application/pdf', 'attachment', 'application/pdf'],
    ['text/javascript', 'attachment', 'application/octet-stream'],
    ['application/x-ECMAscript', 'attachment', 'application/octet-stream'],
    ['text/css', 'attachment', 'application/octet-stream'],
    ['application/wasm', 'attachment', 'application/octet-stream'],
    ['multipart/x-mixed-replace; boundary=x', 'attachment', 'application/octet-stream'],
    ['text/event-stream', 'attachment', 'application/octet-stream'],
    ['a/b', 'attachment', 'a/b'],
  ])('%s is %s, as %s', async (type, disposition, sent) => {
    await put('page', 'x', type);
    const { headers } = await ask({}, 'GET', 'page');
    expect(headers.get('content-disposition')).toStartWith(`${disposition};`);
    expect(headers.get('content-type')).toBe(sent);
  });

  test('what is to be saved is, under its name in all its characters', async () => {
    await put('a/"nice"; 50% ü (1).png', 'x', 'image/png');
    const { headers } = await ask({}, 'GET', 'a/"nice"; 50% ü (1).png', true);
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="_nice__ 50_ _ (1).png"; filename*=UTF-8''%22nice%22%3B%2050%25%20%C3%BC%20%281%29.png`,
    );
  });
});
