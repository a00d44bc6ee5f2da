import { createHash } from 'node:crypto';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { CodedError, ERRORS, type ErrorCode } from '../../sandbox-apis/_kit/errors.ts';
import { digestLine } from './archive-writer.ts';
import { damaged, reasonOf } from './failures.ts';
import { type BackupEnd, type BackupHead, parseEnd, parseHead, parseJson } from './head.ts';
import { BACKUP_LIMITS } from './limits.ts';

/** One part of a section. */
export interface Part {
  /** Such as `core/users`. */
  readonly section: string;
  /** From 1. */
  readonly number: number;
  readonly content: Uint8Array;
}

export interface ReaderOptions {
  /** Called with the bytes of the file that were read so far. */
  readonly onRead?: (bytes: number) => void;
}

const BLOCK = 512;
/** Before the numbered parts; what a section may be called. */
const PART_NAME = /^((?:[a-z0-9_-]+\/){1,4}[a-z0-9_.-]+)\/(\d{6})$/;

/**
 * Reads a backup while it streams in: `backup.json` first, then `parts`, which ends without an error only when the
 * archive is whole and unchanged. What came before that is provisional.
 */
export class ArchiveReader {
  readonly head: BackupHead;
  readonly #entries: AsyncGenerator<Entry>;
  readonly #list: DigestList;
  #end: BackupEnd | null = null;

  private constructor(head: BackupHead, entries: AsyncGenerator<Entry>, list: DigestList) {
    this.head = head;
    this.#entries = entries;
    this.#list = list;
  }

  /**
   * Reads up to the first entry.
   * @throws CodedError `backup_damaged`, `backup_incompatible`; what the source throws
   */
  static async open(source: AsyncIterable<Uint8Array>, options: ReaderOptions = {}): Promise<ArchiveReader> {
    const entries = readEntries(source, options);
    const list = new DigestList();
    const first = await entries.next();
    if (first.done || first.value.name !== 'backup.json') {
      await entries.return(undefined);
      throw damaged('it does not begin with backup.json');
    }
    try {
      list.note('backup.json', first.value.content);
      return new ArchiveReader(parseHead(first.value.content), entries, list);
    } catch (error) {
      await entries.return(undefined);
      throw error;
    }
  }

  /** Rows by section and number of entries; there once `parts` has ended. */
  get end(): BackupEnd {
    if (this.#end === null) throw new Error('the archive was not read to its end');
    return this.#end;
  }

  /** The parts in their order, those of a section numbered without a gap. */
  async *parts(): AsyncGenerator<Part> {
    const list = this.#list;
    let before = { section: '', number: 0 };
    for await (const { name, content } of this.#entries) {
      if (this.#end !== null) throw damaged('something follows its last entry');
      if (name === 'failed.json') throw failedBackup(content);
      if (name === 'end.json') {
        this.#end = parseEnd(content);
        list.close(this.#end);
        continue;
      }
      if (name.startsWith('digests/')) {
        list.check(name, content);
        continue;
      }
      const [, section, digits] = PART_NAME.exec(name) ?? [];
      if (section === undefined) throw damaged('it holds an entry of an unknown kind');
      const number = Number(digits);
      const next = section === before.section ? before.number + 1 : 1;
      if (number !== next) throw damaged(`part ${next} of ${section} is missing`);
      before = { section, number };
      list.note(name, content);
      yield { section, number, content };
    }
    if (this.#end === null) throw damaged('it is cut off: its last entry is missing');
  }

  /** Gives the source up; for who does not read to the end. */
  async close(): Promise<void> {
    await this.#entries.return(undefined);
  }
}

/** Compares what was read with the lists of digests that come after it. */
class DigestList {
  readonly #chain = createHash('sha256');
  #lines: string[] = [];
  #entries = 0;
  #lists = 0;

  note(name: string, content: Uint8Array): void {
    this.#entries += 1;
    if (this.#lines.length >= BACKUP_LIMITS.entriesPerList) throw damaged('a list of digests is missing');
    this.#lines.push(digestLine(createHash('sha256').update(content).digest('hex'), name));
  }

  check(name: string, content: Uint8Array): void {
    this.#lists += 1;
    if (name !== `digests/${String(this.#lists).padStart(6, '0')}`) throw damaged('a list of digests is missing');
    const said = new TextDecoder().decode(content);
    const found = this.#lines.join('');
    if (said !== found) throw damaged(`${this.#firstOdd(said)} is not what was written`);
    this.#chain.update(found);
    this.#lines = [];
  }

  close(end: BackupEnd): void {
    if (this.#lines.length > 0) throw damaged('a list of digests is missing');
    if (end.entries !== this.#entries) throw damaged(`${end.entries} entries were written, ${this.#entries} are there`);
    if (end.digest !== this.#chain.digest('hex')) throw damaged('its lists of digests are not those that were written');
  }

  #firstOdd(said: string): string {
    const lines = said.split('\n');
    const odd = this.#lines.find((line, index) => line !== `${lines[index]}\n`);
    return odd?.slice(66).trimEnd() ?? 'an entry';
  }
}

interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
}

async function* readEntries(source: AsyncIterable<Uint8Array>, { onRead }: ReaderOptions): AsyncGenerator<Entry> {
  const tar = extract();
  let failure: unknown = null;
  const ended = new AbortController();
  const file = { read: 0, tail: Buffer.alloc(0) };
  const unpacked = { bytes: 0 };
  const unpack = pipeline(
    Readable.from(counted(source, file, onRead), { objectMode: false }),
    createGunzip(),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        unpacked.bytes += chunk.byteLength;
        yield chunk;
      }
    },
    tar as unknown as Writable,
    { signal: ended.signal },
  ).catch((error: unknown) => {
    failure ??= error;
  });
  let expected = 2 * BLOCK;
  let entries = 0;
  try {
    for await (const entry of tar) {
      const { name, type, size = 0 } = entry.header;
      const isPart = PART_NAME.test(name);
      if (type !== 'file' || size > (isPart ? BACKUP_LIMITS.partBytes : BACKUP_LIMITS.headBytes)) {
        throw damaged('an entry is larger than any that is written, or no file');
      }
      entries += 1;
      if (entries > BACKUP_LIMITS.entries) throw damaged('it has more entries than are written');
      expected += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
      const content = Buffer.alloc(size);
      let at = 0;
      for await (const chunk of entry as AsyncIterable<Uint8Array>) {
        content.set(chunk, at);
        at += chunk.byteLength;
      }
      yield { name, content };
    }
    await unpack;
  } catch (error) {
    if (failure === null || error instanceof CodedError) failure = error;
  } finally {
    ended.abort();
    await unpack;
  }
  if (failure !== null) throw explained(failure);
  // Of a gzip file the last 4 bytes are its length (RFC 1952, 2.3.1): of one with something behind it they are not.
  const length = file.tail.length === 4 ? file.tail.readUInt32LE() : -1;
  if (unpacked.bytes !== expected || length !== unpacked.bytes % 2 ** 32) throw damaged('something follows its end');
}

class SourceFailure extends Error {}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  file: { read: number; tail: Buffer },
  onRead: ReaderOptions['onRead'],
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of source) {
      file.read += chunk.byteLength;
      file.tail = Buffer.concat([file.tail, chunk.subarray(-4)]).subarray(-4);
      onRead?.(file.read);
      yield chunk;
    }
  } catch (cause) {
    throw new SourceFailure(reasonOf(cause), { cause });
  }
}

/** What the unpacking says is about the file; what the source says is its own. */
function explained(failure: unknown): unknown {
  if (failure instanceof CodedError) return failure;
  if (failure instanceof SourceFailure) return failure.cause;
  return damaged(`it is no complete .tar.gz (${reasonOf(failure)})`);
}

function failedBackup(content: Uint8Array): CodedError {
  const { code, message } = (parseJson('failed.json', content) ?? {}) as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'internal';
  return new CodedError(known, `The backup failed while it was made: ${String(message).slice(0, 2_000)}`);
}
