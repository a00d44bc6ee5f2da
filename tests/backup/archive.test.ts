import { expect, test } from 'bun:test';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { ArchiveWriter } from '../../src/backup/archive-writer.ts';
import { BACKUP_LIMITS } from '../../src/backup/limits.ts';
import { sections } from '../../src/backup/sections.ts';
import { verifyBackup } from '../../src/backup/verify.ts';
import { archiveOf, contentOf, HEAD, open, refusal } from './archives.ts';

type Entry = [name: string, content: Buffer];

async function entriesOf(file: Buffer): Promise<Entry[]> {
  const tar = extract();
  tar.end(gunzipSync(file));
  const entries: Entry[] = [];
  for await (const entry of tar) entries.push([entry.header.name, await buffer(entry)]);
  return entries;
}

async function packed(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of entries) tar.entry({ name }, content);
  tar.finalize();
  return gzipSync(await buffer(tar));
}

const verify = (file: Uint8Array) => verifyBackup(new Blob([new Uint8Array(file)]).stream());

async function small(): Promise<Buffer> {
  return archiveOf(async (archive) => {
    await archive.parts('core/users', [Buffer.from('1\tada\n2\tbob\n')]);
    archive.count('core/users', 2);
    await archive.parts('plugins/crm/rows/00001', [Buffer.from('x'.repeat(5_000))]);
    await archive.finish();
  });
}

test('what goes in comes out, in sections, with its rows counted', async () => {
  const file = await small();
  const { head, end, bytes } = await verify(file);
  expect(head).toEqual(HEAD);
  expect(end).toMatchObject({ entries: 3, rows: { 'core/users': 2 } });
  expect(bytes).toBe(12 + 5_000);
  expect([...(await contentOf(file))]).toEqual([
    ['core/users', '1\tada\n2\tbob\n'],
    ['plugins/crm/rows/00001', 'x'.repeat(5_000)],
  ]);
  expect((await entriesOf(file)).map(([name]) => name)).toEqual([
    'backup.json',
    'core/users/000001',
    'plugins/crm/rows/00001/000001',
    'digests/000001',
    'end.json',
  ]);
});

test('large sections are cut into parts, and lists of digests come in between', async () => {
  const total = 2 * BACKUP_LIMITS.partBytes + 17;
  const chunk = Buffer.alloc(1_000_003, 'ab');
  const file = await archiveOf(async (archive) => {
    const chunks = function* () {
      for (let left = total; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length));
    };
    await archive.parts('core/events', chunks());
    for (let n = 0; n < BACKUP_LIMITS.entriesPerList; n += 1)
      await archive.parts(`blobs/b${n}`, [Buffer.from([n % 256])]);
    await archive.finish();
  });
  const names = (await entriesOf(file)).map(([name]) => name);
  expect(names.filter((name) => name.startsWith('core/'))).toHaveLength(3);
  expect(names.filter((name) => name.startsWith('digests/'))).toHaveLength(2);
  expect((await verify(file)).bytes).toBe(total + BACKUP_LIMITS.entriesPerList);
});

const damages: readonly (readonly [what: string, damage: (file: Buffer) => Promise<Buffer> | Buffer, says: RegExp])[] =
  [
    ['nothing at all', () => Buffer.alloc(0), /no complete|does not begin/],
    ['no archive', () => Buffer.from('hello, this is no archive at all'), /no complete/],
    ['cut in the middle', (file) => file.subarray(0, file.length / 2), /no complete|cut off/],
    ['the last byte is gone', (file) => file.subarray(0, -1), /no complete|something follows/],
    ['bytes behind it', (file) => Buffer.concat([file, Buffer.from('more')]), /something follows|no complete/],
    ['another archive behind it', (file) => Buffer.concat([file, file]), /something follows/],
    [
      'a bit is another',
      (file) => {
        const changed = Buffer.from(file);
        changed[60] = (changed[60] ?? 0) ^ 1;
        return changed;
      },
      /damaged/,
    ],
    ['cut at an entry', async (file) => packed((await entriesOf(file)).slice(0, -1)), /cut off/],
    [
      'an entry is missing',
      async (file) => packed((await entriesOf(file)).filter((_, at) => at !== 1)),
      /is not what was written/,
    ],
    [
      'the list is missing',
      async (file) => packed((await entriesOf(file)).filter(([name]) => name !== 'digests/000001')),
      /list of digests/,
    ],
    [
      'a content is another',
      async (file) =>
        packed(
          (await entriesOf(file)).map(([name, content]) => [
            name,
            name === 'core/users/000001' ? Buffer.from('1\tada\n2\teve\n') : content,
          ]),
        ),
      /core\/users\/000001 is not what was written/,
    ],
    [
      'the head is another',
      async (file) =>
        packed(
          (await entriesOf(file)).map(([name, content]) => [
            name,
            name === 'backup.json' ? Buffer.from(JSON.stringify({ ...HEAD, version: '9' })) : content,
          ]),
        ),
      /backup\.json is not what was written/,
    ],
    [
      'an entry is added',
      async (file) => {
        const entries = await entriesOf(file);
        return packed([...entries.slice(0, 2), ['core/packages/000001', Buffer.from('x')], ...entries.slice(2)]);
      },
      /is not what was written/,
    ],
    [
      'something follows its end',
      async (file) => packed([...(await entriesOf(file)), ['core/packages/000001', Buffer.from('x')]]),
      /something follows/,
    ],
    [
      'a part is missing',
      async (file) =>
        packed(
          (await entriesOf(file)).map(([name, content]) => [name.replace('users/000001', 'users/000002'), content]),
        ),
      /part 1 of core\/users is missing/,
    ],
    [
      'a path out of it',
      async (file) => packed([...(await entriesOf(file)).slice(0, 1), ['../../etc/passwd', Buffer.from('x')]]),
      /unknown kind/,
    ],
    [
      'an entry that is too large',
      async (file) =>
        packed([
          ...(await entriesOf(file)).slice(0, 1),
          ['core/users/000001', Buffer.alloc(BACKUP_LIMITS.partBytes + 1)],
        ]),
      /larger than any/,
    ],
    [
      'another end',
      async (file) =>
        packed(
          (await entriesOf(file)).map(([name, content]) => [
            name,
            name === 'end.json' ? Buffer.from(content.toString().replace('"entries":3', '"entries":4')) : content,
          ]),
        ),
      /4 entries were written, 3 are there/,
    ],
  ];

for (const [what, damage, says] of damages) {
  test(`refused: ${what}`, async () => {
    const error = await refusal<CodedError>(verify(await damage(await small())));
    expect(error).toMatchObject({ code: 'backup_damaged' });
    expect(error.message).toMatch(says);
  });
}

test('a newer format is not taken for damage, nor is another product for a backup', async () => {
  const newer = await packed([['backup.json', Buffer.from(JSON.stringify({ product: 'streamspace', format: 2 }))]]);
  expect(await refusal(verify(newer))).toMatchObject({ code: 'backup_incompatible' });
  const other = await packed([['backup.json', Buffer.from('{"product":"other"}')]]);
  expect(await refusal(verify(other))).toMatchObject({ code: 'backup_damaged' });
});

test('a backup that failed says why, to whoever reads it', async () => {
  const file = await archiveOf(async (archive) => {
    await archive.parts('core/users', [Buffer.from('1\n')]);
    await archive.fail(new CodedError('backup_unsupported', 'crm: it has an aggregate'));
  });
  const error = await refusal<CodedError>(verify(file));
  expect(error).toMatchObject({ code: 'backup_unsupported' });
  expect(error.message).toBe('The backup failed while it was made: crm: it has an aggregate');
  const inside = await archiveOf((archive) => archive.fail(new Error('connect ECONNREFUSED /secret/place')));
  expect((await refusal<CodedError>(verify(inside))).message).not.toContain('secret');
});

test('a consumer that leaves ends the writing', async () => {
  const archive = new ArchiveWriter();
  const writing = (async () => {
    await archive.head(HEAD);
    const noise = function* () {
      for (;;) yield crypto.getRandomValues(new Uint8Array(65_536));
    };
    await archive.parts('core/events', noise());
  })();
  const stream = archive.stream();
  await stream.next();
  await stream.return(undefined);
  expect(await refusal(writing)).toBeInstanceOf(Error);
});

test('a section that is not read is passed over, and a reader may leave early', async () => {
  const seen: string[] = [];
  const reader = await open(await small());
  for await (const { name } of sections(reader.parts())) seen.push(name);
  expect(seen).toEqual(['core/users', 'plugins/crm/rows/00001']);
  const early = await open(await small());
  for await (const _ of early.parts()) break;
  await early.close();
});
