import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type FilesBench, filesBench, sha256, streamOf } from '../kit/files.ts';

let bench: FilesBench;
beforeAll(async () => {
  bench = await filesBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: { code: string; extra: object }) => error,
  );

describe('put and get', () => {
  test('a file is what was put, with its digest, type and notes', async () => {
    const info = await bench.put('pg', 'notes/a.txt', 'hello', { contentType: 'text/x', metadata: { by: 'ada' } });
    expect(info).toMatchObject({ path: 'notes/a.txt', size: 5, etag: sha256('hello'), contentType: 'text/x' });
    expect(info.metadata).toEqual({ by: 'ada' });
    expect(await bench.files.stat('pg', 'notes/a.txt')).toEqual(info);
    expect(await bench.text('pg', 'notes/a.txt')).toBe('hello');
    expect(await bench.files.stat('other', 'notes/a.txt')).toBeNull();
    expect(await bench.files.get('pg', 'none', () => null)).toBeNull();
  });

  test('an empty file has a content, of no bytes', async () => {
    expect(await bench.put('pg', 'empty', '')).toMatchObject({ size: 0, etag: sha256('') });
    expect(await bench.text('pg', 'empty')).toBe('');
  });

  test('a large one is streamed in and out', async () => {
    const bytes = 3_000_000;
    const info = await bench.put('pg', 'large', streamOf(bytes));
    expect(info.size).toBe(bytes);
    const found = await bench.files.get('pg', 'large', () => null);
    expect(found?.content).toBeInstanceOf(ReadableStream);
    expect(sha256(await new Response(found?.content as BodyInit).bytes())).toBe(info.etag);
  });

  test.each([
    [{ offset: 0, length: 3 }, 'abc'],
    [{ offset: 5, length: 5 }, 'fghij'],
    [{ offset: 9, length: 1 }, 'j'],
  ])('the part %j of ten bytes', async (range, text) => {
    await bench.put('pg', 'ten', 'abcdefghij');
    const found = await bench.files.get('pg', 'ten', () => range);
    expect(found?.range).toEqual(range);
    expect(await new Response(found?.content as BodyInit).text()).toBe(text);
  });

  test('a declared length that is not true refuses the content, and leaves what was there', async () => {
    await bench.put('pg', 'kept', 'before');
    for (const [size, how] of [
      [99, 'longer'],
      [101, 'shorter'],
    ] as const) {
      const error = await failure(bench.put('pg', 'kept', streamOf(100), { size }));
      expect(error).toMatchObject({ code: 'invalid_input', message: expect.stringContaining(how) });
    }
    expect(await bench.text('pg', 'kept')).toBe('before');
  });

  test('a stream that fails, or a caller that goes, leaves what was there', async () => {
    await bench.put('pg', 'kept', 'before');
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      pull: () => Promise.reject(new Error('of the writer')),
    });
    const error = await failure(bench.put('pg', 'kept', broken));
    expect(error).toMatchObject({ code: 'aborted', message: expect.stringContaining('of the writer') });
    const caller = new AbortController();
    let cancelled: unknown = null;
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      pull: () => {
        caller.abort(new Error('gone'));
        return new Promise(() => {});
      },
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    expect(await failure(bench.put('pg', 'kept', endless, { signal: caller.signal }))).toMatchObject({
      message: 'gone',
    });
    expect(cancelled).toMatchObject({ message: 'gone' });
    expect(await bench.text('pg', 'kept')).toBe('before');
    const { counts, sums } = await bench.counted('pg');
    expect(counts).toEqual(sums);
    expect((counts as number[])[2]).toBe(0);
  });
});

describe('conditions', () => {
  test('of a put', async () => {
    const { etag } = await bench.put('pc', 'a', 'one', { ifNoneMatch: '*' });
    expect(await failure(bench.put('pc', 'a', 'two', { ifNoneMatch: '*' }))).toMatchObject({
      code: 'file_changed',
      extra: { etag },
    });
    expect(await failure(bench.put('pc', 'a', 'two', { ifNoneMatch: etag }))).toMatchObject({ code: 'file_changed' });
    expect(await failure(bench.put('pc', 'a', 'two', { ifMatch: sha256('x') }))).toMatchObject({
      code: 'file_changed',
    });
    expect(await failure(bench.put('pc', 'b', 'two', { ifMatch: '*' }))).toMatchObject({ extra: { etag: null } });
    const two = await bench.put('pc', 'a', 'two', { ifMatch: etag });
    expect(two.createdAt <= two.updatedAt).toBe(true);
    await bench.put('pc', 'a', 'three', { ifMatch: '*', ifNoneMatch: etag });
    expect(await bench.text('pc', 'a')).toBe('three');
  });

  test('of many at once let one through', async () => {
    const tries = Array.from({ length: 8 }, (_, i) => failure(bench.put('pc', 'race', `${i}`, { ifNoneMatch: '*' })));
    const errors = (await Promise.all(tries)).filter((error) => error !== null);
    expect(errors.map(({ code }) => code)).toEqual(Array(7).fill('file_changed'));
    const { etag } = (await bench.files.stat('pc', 'race')) ?? { etag: '' };
    const more = Array.from({ length: 8 }, (_, i) =>
      failure(bench.put('pc', 'race', `second ${i}`, { ifMatch: etag })),
    );
    expect((await Promise.all(more)).filter((error) => error === null)).toHaveLength(1);
  });

  test('of a delete', async () => {
    const { etag } = await bench.put('pc', 'gone', 'x');
    expect(await failure(bench.files.delete('pc', 'gone', { ifMatch: sha256('y') }))).toMatchObject({
      extra: { etag },
    });
    expect(await bench.files.delete('pc', 'gone', { ifMatch: etag })).toBe(true);
    expect(await bench.files.delete('pc', 'gone', {})).toBe(false);
  });
});

describe('copy and move', () => {
  test('give the same blob another name', async () => {
    const before = (await bench.blobs()).length;
    const one = await bench.put('cm', 'one', 'content', { metadata: { of: 'one' } });
    const two = await bench.files.copy('cm', 'one', 'two', {});
    expect(two).toMatchObject({ path: 'two', etag: one.etag, metadata: { of: 'one' } });
    expect(await bench.blobs()).toHaveLength(before + 1);
    await bench.files.delete('cm', 'one', {});
    expect(await bench.text('cm', 'two')).toBe('content');
    expect(await bench.files.move('cm', 'two', 'three', {})).toMatchObject({ path: 'three' });
    expect(await bench.files.stat('cm', 'two')).toBeNull();
    await bench.files.move('cm', 'three', 'three', {});
    expect(await bench.text('cm', 'three')).toBe('content');
    await bench.files.delete('cm', 'three', {});
    expect(await bench.blobs()).toHaveLength(before);
  });

  test('answer null without a source, and mind the conditions of the target', async () => {
    expect(await bench.files.copy('cm', 'none', 'to', {})).toBeNull();
    expect(await bench.files.move('cm', 'none', 'to', {})).toBeNull();
    await bench.put('cm', 'from', 'from');
    await bench.put('cm', 'to', 'to');
    expect(await failure(bench.files.copy('cm', 'from', 'to', { ifNoneMatch: '*' }))).toMatchObject({
      code: 'file_changed',
    });
    expect(await failure(bench.files.move('cm', 'from', 'new', { ifMatch: '*' }))).toMatchObject({
      code: 'file_changed',
    });
    expect(await bench.files.stat('cm', 'from')).not.toBeNull();
    await bench.files.move('cm', 'from', 'to', { ifMatch: sha256('to') });
    expect(await bench.text('cm', 'to')).toBe('from');
  });
});

describe('what nobody has', () => {
  test('goes when it is replaced, deleted or given up', async () => {
    const before = await bench.blobs();
    await bench.put('gc', 'a', 'one');
    await bench.put('gc', 'a', 'two');
    expect(await bench.blobs()).toHaveLength(before.length + 1);
    await bench.files.delete('gc', 'a', {});
    expect(await bench.blobs()).toEqual(before);
  });

  test('with the data of a plugin', async () => {
    const before = await bench.blobs();
    for (let i = 0; i < 5; i += 1) await bench.put('drop', `${i}`, `${i}`);
    await bench.db.transaction().execute((trx) => bench.files.dropPlugin('drop', trx));
    expect(await bench.files.usage('drop')).toMatchObject({ bytes: 0, files: 0 });
    expect(await bench.files.sweep()).toBe(5);
    expect(await bench.blobs()).toEqual(before);
  });

  test('what is being read stays readable to its end', async () => {
    await bench.put('gc', 'large', streamOf(1_000_000));
    const found = await bench.files.get('gc', 'large', () => null);
    await bench.files.delete('gc', 'large', {});
    expect(await new Response(found?.content as BodyInit).bytes()).toHaveLength(1_000_000);
  });
});
