import { expect, test } from 'bun:test';
import { readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BLACK_BOX } from '../../runtime/protocol/black-box.ts';
import { BlackBoxFile } from '../../src/host/black-box.ts';
import { hostFiles } from '../../src/host/files.ts';

// In the Node that runs the isolates, with the flags that matter here.

const MODULE = resolve(import.meta.dir, '../../runtime/isolate/shared-memory.ts');

async function mapped(descriptor: number, bytes: number) {
  const box = BlackBoxFile.unnamed();
  const script = `
    const { mapFile } = await import(${JSON.stringify(MODULE)});
    const memory = mapFile(${descriptor}, ${bytes});
    if (memory !== null) new Uint32Array(memory)[1] = 0xabcd;
    let again = null;
    try { process.getBuiltinModule('node:ffi').dlopen(null, {}); again = 'opened'; } catch (error) { again = error.code; }
    console.log(JSON.stringify({ mapped: memory !== null, ffi: process.permission.has('ffi'), again }));`;
  const folder = join(MODULE, '..');
  const flags = ['--permission', '--allow-ffi', `--allow-fs-read=${folder}`, '--no-warnings', '--input-type=module'];
  const child = Bun.spawn([hostFiles().node, ...flags, '--eval', script], {
    stdio: [box.descriptor, 'pipe', 'inherit'],
    cwd: folder,
    env: {},
  });
  const said = JSON.parse(await new Response(child.stdout).text()) as { mapped: boolean; ffi: boolean; again: string };
  const found = Buffer.alloc(4);
  readSync(box.descriptor, found, 0, 4, 4);
  box.close();
  return { ...said, word: found.readUInt32LE() };
}

test('a store shows in the file, and foreign functions are out of reach afterwards', async () => {
  expect(await mapped(0, BLACK_BOX.bytes)).toEqual({
    mapped: true,
    ffi: false,
    again: 'ERR_ACCESS_DENIED',
    word: 0xabcd,
  });
});

test('where there is nothing to map there is null, and no right to foreign functions either', async () => {
  expect(await mapped(77, BLACK_BOX.bytes)).toMatchObject({ mapped: false, ffi: false, again: 'ERR_ACCESS_DENIED' });
});
