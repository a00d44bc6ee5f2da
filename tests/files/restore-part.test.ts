import { afterAll, beforeAll, expect, test } from 'bun:test';
import { filesPart } from '../../src/files/restore-part.ts';
import { type FilesBench, filesBench } from '../kit/files.ts';

let bench: FilesBench;
beforeAll(async () => {
  bench = await filesBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

async function makePoint(plugin: string): Promise<number> {
  return bench.db.transaction().execute(async (trx) => {
    const { id } = await trx
      .insertInto('restore_points')
      .values({
        plugin_name: plugin,
        reason: 'manual',
        version: '1.0.0',
        package_digest: 'd',
        source: 'upload',
        config: '{}',
        grants: [],
        limits: '{}',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await filesPart.capture(trx, plugin, id);
    return id;
  });
}
const restore = (plugin: string, point: number) =>
  bench.db.transaction().execute((trx) => filesPart.restore(trx, plugin, point));
const drop = (point: number) =>
  bench.db.transaction().execute(async (trx) => {
    await filesPart.drop(trx, point);
    await trx.deleteFrom('restore_points').where('id', '=', point).execute();
  });

test('what was captured comes back, whatever happened to the files since', async () => {
  await bench.put('rp', 'changed', 'before', { metadata: { n: '1' } });
  const deleted = await bench.put('rp', 'deleted', 'deleted');
  const point = await makePoint('rp');
  await bench.put('rp', 'changed', 'after');
  await bench.files.delete('rp', 'deleted', {});
  await bench.put('rp', 'new', 'new');
  await bench.files.sweep();
  expect(await bench.files.usage('rp')).toMatchObject({ bytes: 8, files: 2 });
  await restore('rp', point);
  expect(await bench.text('rp', 'changed')).toBe('before');
  expect(await bench.files.stat('rp', 'changed')).toMatchObject({ metadata: { n: '1' } });
  expect(await bench.text('rp', 'deleted')).toBe('deleted');
  expect(await bench.files.stat('rp', 'deleted')).toEqual(deleted);
  expect(await bench.files.stat('rp', 'new')).toBeNull();
  const { counts, sums } = await bench.counted('rp');
  expect(counts).toEqual(sums);
  await bench.files.sweep();
  expect(await bench.blobs()).toHaveLength(2);

  await bench.db.transaction().execute((trx) => bench.files.dropPlugin('rp', trx));
  await bench.files.sweep();
  expect(await bench.blobs()).toHaveLength(2);
  await restore('rp', point);
  expect(await bench.text('rp', 'changed')).toBe('before');
  await bench.db.transaction().execute((trx) => bench.files.dropPlugin('rp', trx));
  await drop(point);
  await bench.files.sweep();
  expect(await bench.blobs()).toEqual([]);
});

test('the blobs of a point go with it when it is deleted by a cascade alone', async () => {
  await bench.put('rc', 'a', 'a');
  const point = await makePoint('rc');
  await bench.files.delete('rc', 'a', {});
  expect(await bench.blobs()).toHaveLength(1);
  await bench.db.deleteFrom('restore_points').where('id', '=', point).execute();
  await bench.files.sweep();
  expect(await bench.blobs()).toEqual([]);
});

test('what is over the quota by now comes back, and grows no more', async () => {
  await bench.put('rq', 'a', 'x'.repeat(800));
  const point = await makePoint('rq');
  await bench.files.delete('rq', 'a', {});
  bench.quotas.set('rq', { bytes: 100, files: 0 });
  await restore('rq', point);
  expect(await bench.files.usage('rq')).toMatchObject({ bytes: 800, files: 1 });
  const more = await bench.put('rq', 'b', 'x').catch((error: unknown) => error);
  expect(more).toMatchObject({ code: 'quota_exceeded' });
});

test('what a version that is loaded does to the files counts with its change, beside what the other does meanwhile', async () => {
  for (const path of ['both', 'by-new', 'by-old', 'removed-by-new', 'removed-by-old', 'same'])
    await bench.put('sp', path, 'before');
  const point = await makePoint('sp');
  const space = `sp@${point}`;
  await restore(space, point);
  expect(await bench.text(space, 'same')).toBe('before');
  for (const path of ['both', 'by-new', 'added-by-new']) await bench.put(space, path, 'new');
  await bench.files.delete(space, 'removed-by-new', {});
  for (const path of ['both', 'by-old', 'added-by-old']) await bench.put('sp', path, 'old');
  await bench.files.delete('sp', 'removed-by-old', {});
  await bench.db.transaction().execute(async (trx) => {
    await filesPart.merge(trx, 'sp', space, point);
    await filesPart.forget(trx, space);
  });
  const { files } = await bench.files.list('sp', { prefix: '', folders: false, after: null, limit: 100 });
  const texts = await Promise.all(files.map(async ({ path }) => [path, await bench.text('sp', path)]));
  expect(Object.fromEntries(texts)).toEqual({
    'added-by-new': 'new',
    'added-by-old': 'old',
    both: 'new',
    'by-new': 'new',
    'by-old': 'old',
    same: 'before',
  });
  expect(await bench.files.stat(space, 'same')).toBeNull();
  const { counts, sums } = await bench.counted('sp');
  expect(counts).toEqual(sums);
});

test('what it does never was when its change is given up', async () => {
  await bench.put('gu', 'kept', 'before');
  const point = await makePoint('gu');
  const space = `gu@${point}`;
  await restore(space, point);
  await bench.put(space, 'kept', 'new');
  await bench.put(space, 'added', 'new');
  await bench.db.transaction().execute((trx) => filesPart.forget(trx, space));
  await drop(point);
  expect(await bench.text('gu', 'kept')).toBe('before');
  expect(await bench.files.usage('gu')).toMatchObject({ files: 1, bytes: 6 });
  const { counts, sums } = await bench.counted('gu');
  expect(counts).toEqual(sums);
});
