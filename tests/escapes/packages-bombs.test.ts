import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { PACKAGE_LIMITS } from '../../src/packages/limits.ts';
import { readArchive } from '../../src/packages/read.ts';
import { type Entry, MANIFEST, refusal, tar, tarGz } from '../packages/fixture.ts';

const MIB = 1024 * 1024;

/** How much the source was asked for before it was let go. */
function watched(chunks: Iterable<Uint8Array>) {
  const state = { bytes: 0, cancelled: false };
  const iterator = chunks[Symbol.iterator]();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = iterator.next();
      if (next.done) return controller.close();
      state.bytes += next.value.byteLength;
      controller.enqueue(next.value);
    },
    cancel() {
      state.cancelled = true;
    },
  });
  return { state, stream };
}

describe('35 bombs', () => {
  test('zeros that unpack to a thousand times their size stop early', async () => {
    const bomb = gzipSync(Buffer.alloc(200 * MIB), { level: 9 });
    const error = await refusal(readArchive(bomb));
    expect([error.code, error.extra.limit]).toEqual(['package_too_large', PACKAGE_LIMITS.ratio]);
  });

  test('contents over the cap, compressed too little for the ratio to tell', async () => {
    const noise = randomBytes(2 * MIB);
    const mixed = Buffer.concat([noise, Buffer.alloc(13 * MIB)]);
    const error = await refusal(
      readArchive(await tarGz(Array.from({ length: 5 }, (_, i) => [`${i}.bin`, mixed] as const))),
    );
    expect([error.code, error.extra.limit]).toEqual(['package_too_large', PACKAGE_LIMITS.unpackedBytes]);
  });

  test('an archive that never ends is let go at the cap', async () => {
    const noise = randomBytes(MIB);
    const head = gzipSync(await tar([['a.bin', noise]]), { level: 0 });
    const { state, stream } = watched(
      (function* () {
        yield head.subarray(0, -8);
        for (;;) yield noise;
      })(),
    );
    const error = await refusal(readArchive(stream));
    expect(error.code).toMatch(/^package_/);
    expect(state.cancelled).toBe(true);
    expect(state.bytes).toBeLessThan(PACKAGE_LIMITS.archiveBytes + 4 * MIB);
  });

  test('an archive over its cap', async () => {
    const stored = gzipSync(
      await tar([
        ['a.bin', randomBytes(15 * MIB)],
        ['b.bin', randomBytes(6 * MIB)],
      ]),
      { level: 0 },
    );
    const error = await refusal(readArchive(stored));
    expect([error.code, error.extra.limit]).toEqual(['package_too_large', PACKAGE_LIMITS.archiveBytes]);
  });

  test('a header that claims a huge file allocates nothing', async () => {
    const claim = await tar(
      [{ name: 'huge.bin', size: 1, pax: { size: String(2 ** 40) } }].map((header) => ({
        ...header,
        type: 'directory' as const,
      })),
    );
    const error = await refusal(readArchive(gzipSync(claim)));
    expect(error.code).toBe('package_invalid');
    const file = await tar([['a.bin', 'x']]);
    file.write('77777777777', 124, 'latin1');
    fixChecksum(file);
    const tooLarge = await refusal(readArchive(gzipSync(file)));
    expect([tooLarge.code, tooLarge.extra.limit]).toEqual(['package_too_large', PACKAGE_LIMITS.fileBytes]);
  });

  test('a negative size', async () => {
    const file = await tar([['a.bin', 'x']]);
    Buffer.alloc(12, 0xff).copy(file, 124);
    fixChecksum(file);
    expect((await refusal(readArchive(gzipSync(file)))).code).toBe('package_invalid');
  });

  test('more entries than allowed', async () => {
    const entries: Entry[] = Array.from({ length: PACKAGE_LIMITS.entries + 1 }, (_, i) => `f${i}`);
    const error = await refusal(readArchive(await tarGz(entries)));
    expect([error.code, error.extra.limit]).toEqual(['package_too_large', PACKAGE_LIMITS.entries]);
  });

  test('a million folders', async () => {
    const one = (await tar([{ name: 'd/', type: 'directory' }])).subarray(0, 512);
    const error = await refusal(readArchive(gzipSync(Buffer.concat(Array.from({ length: 1_000_000 }, () => one)))));
    expect(error.code).toBe('package_too_large');
  });

  test('too deep, too long', async () => {
    expect((await refusal(readArchive(await tarGz([`${'d/'.repeat(16)}f`])))).message).toContain('folders deep');
    expect((await refusal(readArchive(await tarGz(['x'.repeat(600)])))).code).toBe('package_too_large');
    expect((await refusal(readArchive(await tarGz(['\u{1F600}'.repeat(126)])))).code).toBe('package_too_large');
  });

  test('an archive in the archive stays a file', async () => {
    const inner = gzipSync(Buffer.alloc(100 * MIB));
    const pkg = await readArchive(
      await tarGz([
        ['manifest.json', MANIFEST],
        ['inner.tar.gz', inner],
      ]),
    );
    expect(pkg.files.get('inner.tar.gz')?.byteLength).toBe(inner.length);
  });
});

function fixChecksum(header: Buffer): void {
  header.write('        ', 148, 'latin1');
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
