import { describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { readArchive } from '../../src/packages/read.ts';
import { MANIFEST, refusal, tar, tarGz } from '../packages/fixture.ts';

const ENTRIES = [
  ['manifest.json', MANIFEST],
  ['index.ts', 'x'.repeat(3_000)],
] as const;

describe('37 truncated or trailing data', () => {
  test('every cut of the archive is refused', async () => {
    const archive = await tarGz(ENTRIES);
    for (let length = 0; length < archive.length; length += 1) {
      expect((await refusal(readArchive(archive.subarray(0, length)))).code).toBe('package_invalid');
    }
  });

  test('every cut of the tar inside a whole gzip is refused', async () => {
    const whole = await tar(ENTRIES);
    for (let length = 0; length < whole.length; length += 256) {
      const error = await refusal(readArchive(gzipSync(whole.subarray(0, length))));
      expect([length, error.code]).toEqual([length, 'package_invalid']);
    }
  });

  test('bytes behind the gzip', async () => {
    const archive = await tarGz(ENTRIES);
    for (const tail of ['x', '\0', '\0'.repeat(512), 'PK\x03\x04', '\x1f\x8b']) {
      expect((await refusal(readArchive(Buffer.concat([archive, Buffer.from(tail, 'latin1')])))).code).toBe(
        'package_invalid',
      );
    }
  });

  test('a second gzip member, whichever of the two holds the package', async () => {
    const archive = await tarGz(ENTRIES);
    const other = gzipSync(Buffer.alloc(1_024));
    for (const members of [
      [archive, other],
      [other, archive],
      [archive, archive],
    ]) {
      expect((await refusal(readArchive(Buffer.concat(members)))).code).toBe('package_invalid');
    }
  });

  test('entries after the end mark, which other readers do not see', async () => {
    const first = await tar(ENTRIES);
    const hidden = await tar([['evil.ts', 'evil']]);
    expect((await refusal(readArchive(gzipSync(Buffer.concat([first, hidden]))))).message).toContain('end mark');
  });

  test('a single empty block between entries', async () => {
    const first = (await tar(ENTRIES)).subarray(0, -1_024);
    const archive = gzipSync(Buffer.concat([first, Buffer.alloc(512), await tar([['evil.ts', 'evil']])]));
    expect((await refusal(readArchive(archive))).message).toContain('end mark');
  });

  test('bytes after the end mark', async () => {
    const padded = Buffer.concat([await tar(ENTRIES), Buffer.alloc(511), Buffer.from('x')]);
    expect((await refusal(readArchive(gzipSync(padded)))).code).toBe('package_invalid');
  });

  test('files of zeros and padding to the block factor of 20 are neither', async () => {
    const zeros = await tar([
      ['manifest.json', MANIFEST],
      ['zeros.bin', Buffer.alloc(4_096)],
      ['b.ts', '1'],
    ]);
    const pkg = await readArchive(gzipSync(Buffer.concat([zeros, Buffer.alloc(10_240 - (zeros.length % 10_240))])));
    expect(pkg.files.size).toBe(3);
  });

  test('a flipped bit anywhere is noticed', async () => {
    const archive = await tarGz(ENTRIES);
    const { digest } = await readArchive(archive);
    for (let at = 10; at < archive.length; at += 1) {
      const flipped = Buffer.from(archive);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const outcome = await readArchive(flipped).then(
        (pkg) => pkg.digest,
        (error) => error.code,
      );
      expect([digest, 'package_invalid', 'package_too_large']).toContain(outcome);
    }
  });

  test('what is no archive at all', async () => {
    for (const junk of ['', 'not a gzip', MANIFEST]) {
      expect((await refusal(readArchive(Buffer.from(junk)))).code).toBe('package_invalid');
    }
    expect((await refusal(readArchive(gzipSync('not a tar')))).code).toBe('package_invalid');
    expect((await refusal(readArchive(gzipSync(Buffer.alloc(2_048, 'x'))))).code).toBe('package_invalid');
  });
});
