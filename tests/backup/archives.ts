import { ArchiveReader } from '../../src/backup/archive-reader.ts';
import { ArchiveWriter } from '../../src/backup/archive-writer.ts';
import type { BackupHead } from '../../src/backup/head.ts';
import { sections } from '../../src/backup/sections.ts';

export const HEAD: BackupHead = {
  product: 'streamspace',
  format: 1,
  version: '0.0.0',
  madeAt: '2026-01-01T00:00:00.000Z',
  scope: 'plugin',
  postgres: 18,
  migrations: [],
  tables: [],
  keyIds: [],
  plugins: [],
  estimatedBytes: 0,
};

/** An archive with what `write` adds to it. */
export async function archiveOf(write: (archive: ArchiveWriter) => Promise<void>, head = HEAD): Promise<Buffer> {
  const archive = new ArchiveWriter();
  const chunks: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of archive.stream()) chunks.push(chunk);
  })();
  await archive.head(head);
  await write(archive);
  await reading;
  return Buffer.concat(chunks);
}

export function open(file: Uint8Array): Promise<ArchiveReader> {
  return ArchiveReader.open(new Blob([new Uint8Array(file)]).stream());
}

/** The sections of a backup, put together; one character a byte. */
export async function contentOf(file: Uint8Array): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const reader = await open(file);
  for await (const { name, content } of sections(reader.parts())) {
    let text = '';
    for await (const chunk of content) text += Buffer.from(chunk).toString('latin1');
    found.set(name, text);
  }
  return found;
}

/** The same backup with other contents, and all digests right: what whoever makes one up can do. */
export async function forged(file: Uint8Array, edit: (name: string, content: string) => string): Promise<Buffer> {
  const reader = await open(file);
  const content = await contentOf(file);
  return archiveOf(async (archive) => {
    for (const [name, text] of content) {
      const other = edit(name, text);
      await archive.parts(name, [Buffer.from(other, 'latin1')]);
      if (name.startsWith('core/') || name.includes('/rows/')) archive.count(name, other.split('\n').length - 1);
    }
    await archive.finish();
  }, reader.head);
}

/** The error of a promise that has to fail. */
export function refusal<T extends Error = Error>(promise: Promise<unknown>): Promise<T> {
  return promise.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: unknown) => error as T,
  );
}
