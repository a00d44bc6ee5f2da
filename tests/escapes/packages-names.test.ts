import { describe, expect, test } from 'bun:test';
import { readArchive } from '../../src/packages/read.ts';
import { type Entry, MANIFEST, refusal, tarGz } from '../packages/fixture.ts';

async function refused(...entries: Entry[]): Promise<string> {
  const error = await refusal(readArchive(await tarGz([['manifest.json', MANIFEST], ...entries])));
  expect(error.code).toBe('package_invalid');
  return error.message;
}

describe('33 traversal', () => {
  test.each([
    '../evil.ts',
    'a/../../evil.ts',
    'a/../b.ts',
    '..',
    'a/..',
    './../evil.ts',
    'a/./b.ts',
    'a//b.ts',
    '/etc/cron.d/evil',
    '//server/share',
    '..\\evil.ts',
    'a\\..\\..\\evil.ts',
    'C:evil.ts',
    'c:/windows/evil.ts',
    'index.ts:stream',
    '．．/evil.ts',
    '‥/evil.ts',
    'a／..／evil.ts',
    'nul\u0001.ts',
    'line\nbreak.ts',
    'esc\u001b[2J.ts',
    'right\u202eto-left.ts',
    'zero\u200bwidth.ts',
    'bad\ufffdutf8.ts',
  ])('%j', async (path) => {
    expect(await refused(path)).toMatch(/path/);
  });

  test('a path that only a pax record names', async () => {
    expect(await refused({ name: 'fine.ts', pax: { path: '../../evil.ts' } })).toContain('leaves its folder');
  });

  test('a NUL in a pax record', async () => {
    expect(await refused({ name: 'fine.ts', pax: { path: 'a.ts\0.png' } })).toContain('control');
  });

  test('a folder outside', async () => {
    expect(await refused({ name: '../evil/', type: 'directory' })).toContain('leaves its folder');
  });

  test('the ignored names are checked as well', async () => {
    expect(await refused('.git/../../evil')).toContain('leaves its folder');
  });

  test('what is refused leaves a readable, bounded message', async () => {
    const message = await refused(`../${'\u0007'.repeat(300)}`);
    expect(message).toMatch(/^[ -~…]+$/);
    expect(message.length).toBeLessThan(1_000);
  });
});

describe('34 links and devices', () => {
  test.each([
    { name: 'link.ts', type: 'symlink', linkname: '/etc/passwd' },
    { name: 'link.ts', type: 'symlink', linkname: 'manifest.json' },
    { name: 'hard.ts', type: 'link', linkname: 'manifest.json' },
    { name: 'hard.ts', type: 'link', linkname: '../../etc/passwd' },
    { name: 'null', type: 'character-device' },
    { name: 'disk', type: 'block-device' },
    { name: 'pipe', type: 'fifo' },
    { name: 'contiguous', type: 'contiguous-file' },
  ] as const)('%j', async (header) => {
    expect(await refused(header)).toContain('only files and folders are taken');
  });

  test('a folder with content, whose content would be read as headers', async () => {
    expect(await refused({ name: 'folder', type: 'directory', pax: { size: '512' } })).toContain(
      'claims to have content',
    );
  });
});

describe('36 equal names', () => {
  test.each([
    ['index.ts', 'index.ts'],
    ['index.ts', './index.ts'],
    ['index.ts', 'INDEX.ts'],
    ['Manifest.json', 'index.ts'],
    ['lib/a.ts', 'Lib/b.ts'],
    ['é.ts', 'e\u0301.ts'],
    ['ﬁle.ts', 'file.ts'],
    ['ｉndex.ts', 'index.ts'],
    ['straße.ts', 'STRASSE.ts'],
    ['\u212a.ts', 'k.ts'],
    ['ſ.ts', 's.ts'],
    ['a', 'a/b.ts'],
    ['a/b.ts', 'a'],
  ])('%j and %j', async (first, second) => {
    expect(await refused(first, second)).toMatch(/twice|differ only|both a file and a folder/);
  });

  test('a folder listed twice is no harm', async () => {
    const folder = { name: 'lib/', type: 'directory' } as const;
    const pkg = await readArchive(await tarGz([['manifest.json', MANIFEST], folder, 'lib/a.ts', folder]));
    expect(pkg.files.size).toBe(2);
  });
});

describe('45 reserved names', () => {
  test.each(['__proto__', '__proto__/a.ts', 'lib/constructor/a.ts', 'prototype', '__ｐroto__'])('%j', async (path) => {
    expect(await refused(path)).toContain('reserved name');
  });
});
