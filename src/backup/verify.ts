import { ArchiveReader, type ReaderOptions } from './archive-reader.ts';
import type { BackupEnd, BackupHead } from './head.ts';
import { type Passed, watched } from './progress.ts';

/** A backup that is whole and unchanged. */
export interface Verified {
  readonly head: BackupHead;
  readonly end: BackupEnd;
  /** Of the content, unpacked. */
  readonly bytes: number;
}

/**
 * Reads a backup to its end and restores nothing.
 * @throws CodedError `backup_damaged`, `backup_incompatible`; why it failed when it was made
 */
export async function verifyBackup(
  source: AsyncIterable<Uint8Array>,
  options: ReaderOptions & {
    readonly onHead?: (head: BackupHead) => void;
    readonly onPart?: (passed: Passed) => void;
  } = {},
): Promise<Verified> {
  const reader = await ArchiveReader.open(source, options);
  options.onHead?.(reader.head);
  let bytes = 0;
  for await (const { content } of watched(reader.parts(), (passed) => options.onPart?.(passed)))
    bytes += content.byteLength;
  return { head: reader.head, end: reader.end, bytes };
}
