import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import { createFilesBroker } from '../../sandbox-apis/files/broker.ts';
import { checkMetadata, checkPath, checkPrefix } from '../../sandbox-apis/files/checks.ts';
import { filesContract } from '../../sandbox-apis/files/contract.ts';
import { decodeCursor, encodeCursor } from '../../sandbox-apis/files/cursor.ts';
import { parseRange, resolveRange } from '../../sandbox-apis/files/range.ts';
import { testCaller } from '../kit/caller.ts';
import { memoryFiles } from '../kit/memory-files.ts';

const signed: unknown[] = [];
const broker = createFilesBroker({
  files: memoryFiles(),
  signUrl: (...args) => {
    signed.push(args);
    return { url: '/files/token', expiresAt: 'then' };
  },
});
const put = { contentType: 'text/plain', metadata: {} };
const thrown = (run: () => unknown) => expect(run).toThrow(expect.objectContaining({ code: 'invalid_input' }));

describe('paths', () => {
  test.each(['a', 'a/b/c.txt', '.hidden', '...', 'a b', 'é/語/😀', 'con.txt', '%2e%2e/x', 'x'.repeat(1_024)])(
    '"%s" is one',
    (path) => {
      checkPath(path);
      checkPrefix(path);
    },
  );

  test.each([
    ['/a', 'relative'],
    ['a//b', 'empty segment'],
    ['a/', 'empty segment'],
    ['', 'empty segment'],
    ['..', '".."'],
    ['a/../b', '".."'],
    ['./a', '"."'],
    ['a\\b', 'backslash'],
    ['a\0b', 'control character'],
    ['a\nb', 'control character'],
    ['a\x7f', 'control character'],
    ['\ud800', 'surrogate'],
    ['é'.repeat(513), '1026 bytes'],
  ])('%j is none, and it says why', (path, why) => {
    thrown(() => checkPath(path));
    expect(() => checkPath(path)).toThrow(why);
  });

  test('a prefix may end anywhere, and has to begin a path', () => {
    for (const prefix of ['', 'a/', 'a/b', 'a/.', 'a/..']) checkPrefix(prefix);
    for (const prefix of ['/', 'a//', '../', './a', 'a/../b']) thrown(() => checkPrefix(prefix));
  });

  test('a cursor is what list() gave, and nothing else', () => {
    for (const last of ['a/b', 'folder/', 'é']) expect(decodeCursor(encodeCursor(last))).toBe(last);
    for (const cursor of ['=', 'YQ==', encodeCursor('../a/'), encodeCursor('a\0'), '////'])
      thrown(() => decodeCursor(cursor));
  });
});

test('metadata is bounded in all, and text that Postgres can keep', () => {
  checkMetadata({ a: 'x'.repeat(1_000), b: 'é'.repeat(500) });
  thrown(() => checkMetadata({ a: 'x'.repeat(1_024), b: 'é'.repeat(520) }));
  thrown(() => checkMetadata({ a: 'x\0' }));
  thrown(() => checkMetadata({ a: '\udc00' }));
});

describe('ranges', () => {
  test.each([
    [{}, { offset: 0, length: 10 }],
    [{ offset: 3 }, { offset: 3, length: 7 }],
    [{ length: 3 }, { offset: 0, length: 3 }],
    [
      { offset: 8, length: 9 },
      { offset: 8, length: 2 },
    ],
    [{ suffix: 3 }, { offset: 7, length: 3 }],
    [{ suffix: 30 }, { offset: 0, length: 10 }],
  ])('%j of ten bytes', (wanted, range) => {
    expect(resolveRange(wanted, 10)).toEqual(range);
  });

  test.each([{ offset: 10 }, { offset: 99, length: 1 }, { length: 0 }, { suffix: 0 }])('%j is none', (wanted) => {
    expect(() => resolveRange(wanted, 10)).toThrow(expect.objectContaining({ code: 'range_not_satisfiable' }));
  });

  test('of nothing there is no part', () => {
    for (const wanted of [{}, { suffix: 1 }, { offset: 0 }]) expect(() => resolveRange(wanted, 0)).toThrow('0 bytes');
  });

  test('a header of one part', () => {
    expect(parseRange('bytes=0-9')).toEqual({ offset: 0, length: 10 });
    expect(parseRange('bytes=-5')).toEqual({ suffix: 5 });
    for (const other of ['', 'bytes=', 'bytes=1-0', 'bytes=0-1,2-3', `bytes=${'9'.repeat(20)}-`])
      expect(parseRange(other)).toBeNull();
  });
});

describe('the contract', () => {
  const { put: call, copy } = filesContract.calls;
  const valid = { path: 'a', ...put, body: null };

  test.each([
    ['text/plain', true],
    ['application/vnd.x+json; charset=utf-8', true],
    ['text', false],
    ['text/plain\r\nx: y', false],
    ['text/plain; é', false],
    [`text/${'x'.repeat(300)}`, false],
  ])('the content type %j: %p', (contentType, ok) => {
    expect(Value.Check(call.input, { ...valid, contentType })).toBe(ok);
  });

  test('metadata, conditions and bodies', () => {
    const check = (more: object) => Value.Check(call.input, { ...valid, ...more });
    expect(check({ metadata: { 'a-b_1': 'x' } })).toBe(true);
    expect(check({ metadata: { A: 'x' } })).toBe(false);
    expect(check({ metadata: JSON.parse('{"__proto__":"x"}') })).toBe(false);
    expect(check({ metadata: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, ''])) })).toBe(false);
    const etag = '0'.repeat(64);
    for (const ifMatch of ['*', etag, `"${etag}"`]) expect(check({ ifMatch })).toBe(true);
    for (const ifMatch of ['', 'x', `W/"${etag}"`, `"${etag}`, etag.toUpperCase().replace('0', 'A')])
      expect(check({ ifMatch })).toBe(false);
    expect(check({ body: { stream: 1, length: 5 } })).toBe(true);
    expect(check({ body: { latin1: 'Ā' } })).toBe(false);
    expect(Value.Check(copy.input, { from: 'a', to: '' })).toBe(false);
  });
});

describe('the handlers', () => {
  test('a body comes as text, bytes or a stream, and goes out inline while it is small', async () => {
    const { caller, offer, take, untaken } = testCaller({ plugin: 'p' });
    await broker.put(caller, { path: 'text', ...put, body: { text: 'é' } });
    await broker.put(caller, { path: 'bytes', ...put, body: { latin1: '\xff\x00' } });
    await broker.put(caller, { path: 'none', ...put, body: null });
    const large = new Blob(['x'.repeat(100_000)]).stream();
    const { file } = await broker.put(caller, { path: 'large', ...put, body: { stream: offer(large) } });
    expect(file.size).toBe(100_000);
    expect((await broker.get(caller, { path: 'text' })).file?.body).toEqual({ text: 'é' });
    expect((await broker.get(caller, { path: 'bytes' })).file?.body).toEqual({ latin1: '\xff\x00' });
    expect((await broker.get(caller, { path: 'none' })).file?.body).toEqual({ text: '' });
    expect((await broker.get(caller, { path: 'absent' })).file).toBeNull();
    expect(untaken).toBe(0);
    void take;
  });

  test('a stream is not left waiting when its put is refused', async () => {
    const { caller, offer } = testCaller({ plugin: 'p' });
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    const refused = broker.put(caller, { path: '../x', ...put, body: { stream: offer(stream) } });
    expect(await Promise.resolve(refused).catch((error: unknown) => error)).toMatchObject({ code: 'invalid_input' });
    expect(cancelled).toBe(true);
  });

  test('copy and move tell of a source that is not there, and check both paths', async () => {
    const { caller } = testCaller({ plugin: 'p' });
    for (const handler of [broker.copy, broker.move]) {
      const error = await Promise.resolve(handler(caller, { from: 'absent', to: 'b' })).catch((one: unknown) => one);
      expect(error).toMatchObject({ code: 'not_found' });
      for (const input of [
        { from: '../a', to: 'b' },
        { from: 'text', to: '/b' },
      ]) {
        const bad = await Promise.resolve(handler(caller, input)).catch((one: unknown) => one);
        expect(bad).toMatchObject({ code: 'invalid_input' });
      }
    }
  });

  test('a link is of the caller, an hour long unless it says otherwise', () => {
    const { caller } = testCaller({ plugin: 'p' });
    broker.url(caller, { path: 'a' });
    broker.url(caller, { path: 'a', expires: 5, download: true });
    expect(signed).toEqual([
      ['p', 'a', { expires: 3_600, download: false }],
      ['p', 'a', { expires: 5, download: true }],
    ]);
    thrown(() => broker.url(caller, { path: 'a/' }));
  });
});
