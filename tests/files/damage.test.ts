import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalBackend } from '../../src/files/local-backend.ts';
import { type FilesBench, filesBench, streamOf } from '../kit/files.ts';

let bench: FilesBench;
beforeAll(async () => {
  bench = await filesBench({ idleMs: 50 });
});
afterAll(() => bench[Symbol.asyncDispose]());

/** The place of the only new blob. */
async function blobOf(put: () => Promise<unknown>): Promise<string> {
  const before = new Set(await bench.blobs());
  await put();
  const [added] = (await bench.blobs()).filter((name) => !before.has(name));
  return join(bench.folder, added ?? 'none');
}

async function readAll(path: string): Promise<{ bytes: number; error: { code?: string } | null }> {
  let bytes = 0;
  try {
    const found = await bench.files.get('d', path, () => null);
    if (found?.content instanceof Uint8Array) return { bytes: found.content.length, error: null };
    for await (const chunk of new Response(found?.content as BodyInit).body ?? []) bytes += chunk.length;
    return { bytes, error: null };
  } catch (error) {
    return { bytes, error: error as { code?: string } };
  }
}

test('blobs are named after nothing of the plugin, and readable by their owner alone', async () => {
  const place = await blobOf(() => bench.put('d', 'secret/plan.txt', 'x'));
  expect(place).toMatch(/\/[0-9a-f]{2}\/[0-9a-f]{32}$/);
  expect((await stat(place)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(bench.folder, 'incoming'))).toEqual([]);
});

test.each([
  ['small', 1_000],
  ['large', 1_000_000],
])('a %s content that was changed is an error before its end, not a file', async (path, size) => {
  const place = await blobOf(() => bench.put('d', path, streamOf(size)));
  const content = new Uint8Array(size).fill(7);
  await writeFile(place, content);
  const { bytes, error } = await readAll(path);
  expect(error).toMatchObject({ code: 'file_corrupted' });
  expect(bytes).toBeLessThan(size);
  await writeFile(place, content.subarray(1));
  expect((await readAll(path)).error).toMatchObject({ code: 'file_corrupted' });
  await writeFile(place, new Uint8Array(size + 1));
  expect((await readAll(path)).error).toMatchObject({ code: 'file_corrupted' });
  await rm(place);
  expect((await readAll(path)).error).toMatchObject({ code: 'file_corrupted' });
  expect(JSON.stringify(bench.logged)).toContain('its content is gone');
  await bench.put('d', path, 'whole again');
  expect(await bench.text('d', path)).toBe('whole again');
});

test('a part that is not all there is an error', async () => {
  const place = await blobOf(() => bench.put('d', 'part', streamOf(1_000_000)));
  await writeFile(place, new Uint8Array(600_000));
  const found = await bench.files.get('d', 'part', () => ({ offset: 500_000, length: 400_000 }));
  const error = await new Response(found?.content as BodyInit).bytes().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'file_corrupted' });
});

test('a content that nobody reads on is ended', async () => {
  await bench.put('d', 'slow', streamOf(1_000_000));
  const found = await bench.files.get('d', 'slow', () => null);
  const reader = new Response(found?.content as BodyInit).body?.getReader();
  await reader?.read();
  const closed = await reader?.closed.catch((error: unknown) => error);
  expect(closed).toMatchObject({ code: 'deadline_exceeded' });
});

test('a disk that fails leaves what was there, and nothing else', async () => {
  await using failing = await filesBench({
    wrap: (local) => ({
      ...local,
      async put(key, content, options) {
        await local.put(key, content, options);
        throw new Error('the disk is full');
      },
    }),
  });
  const error = await failing.put('d', 'a', 'x').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: 'the disk is full' });
  expect(await failing.blobs()).toEqual([]);
  expect(await failing.files.stat('d', 'a')).toBeNull();
});

test('a backend that keeps less than it was given is found out', async () => {
  const kept = new Map<string, Uint8Array>();
  await using lossy = await filesBench({
    wrap: (local) => ({
      ...local,
      async put(key, content) {
        kept.set(key, (await new Response(content).bytes()).subarray(1));
      },
      stat: async (key) => ({ size: kept.get(key)?.length ?? 0 }),
    }),
  });
  expect(await lossy.put('d', 'a', 'xyz').catch((thrown: unknown) => thrown)).toMatchObject({ code: 'service_failed' });
  const lazy = { ...lossy.local, put: async () => undefined, stat: async () => ({ size: 3 }) };
  await using unread = await filesBench({ wrap: () => lazy });
  expect(await unread.put('d', 'a', 'xyz').catch((thrown: unknown) => thrown)).toMatchObject({
    code: 'service_failed',
  });
});

test('what cannot be removed is tried again later', async () => {
  let broken = true;
  await using stuck = await filesBench({
    wrap: (local) => ({
      ...local,
      delete: (key) => (broken ? Promise.reject(new Error('not now')) : local.delete(key)),
    }),
  });
  await stuck.put('d', 'a', 'x'.repeat(100));
  await stuck.files.delete('d', 'a', {});
  expect(await stuck.blobs()).toHaveLength(1);
  expect((await stuck.counted('d')).counts).toEqual([0, 0, 0]);
  broken = false;
  expect(await stuck.files.sweep()).toBe(0);
  await stuck.db
    .updateTable('plugin_blobs')
    .set({ due_at: new Date(0) })
    .execute();
  expect(await stuck.files.sweep()).toBe(1);
  expect(await stuck.blobs()).toEqual([]);
});

test('no key but one of ours becomes a path', async () => {
  const backend = createLocalBackend(bench.folder);
  for (const key of ['../../etc/passwd', '', 'a', `${'a'.repeat(31)}/`, 'A'.repeat(32), `${'a'.repeat(32)}\n`]) {
    expect(await backend.stat(key).catch((error: Error) => error.message)).toBe('not the key of a blob');
    expect(await backend.delete(key).catch((error: Error) => error.message)).toBe('not the key of a blob');
  }
});

test('a backend that hangs while it removes holds up no write for long', async () => {
  await using stuck = await filesBench({ wrap: (local) => ({ ...local, delete: () => new Promise(() => {}) }) });
  await stuck.put('d', 'a', 'one');
  await stuck.put('d', 'a', 'two');
  expect(await stuck.text('d', 'a')).toBe('two');
});
