import { createHash } from 'node:crypto';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { reasonOf } from './failures.ts';
import type { BackupEnd, BackupHead } from './head.ts';
import { BACKUP_LIMITS } from './limits.ts';

const { partBytes, entriesPerList, gzipLevel } = BACKUP_LIMITS;

/**
 * Writes a backup: a `.tar.gz` whose first entry is `backup.json` and whose last is `end.json`, with the data between as
 * numbered parts of bounded size, and a list of SHA-256 digests after every thousand of them. The consumer of `stream`
 * sets the pace.
 */
export class ArchiveWriter {
  readonly #tar = pack();
  readonly #gzip = createGzip({ level: gzipLevel });
  readonly #chain = createHash('sha256');
  readonly #rows: Record<string, number> = {};
  #lines: string[] = [];
  #entries = 0;
  #lists = 0;

  constructor() {
    this.#tar.on('error', (error) => this.#gzip.destroy(error));
    this.#gzip.on('error', (error) => this.#tar.destroy(error));
    // A consumer that leaves ends whoever waits to write.
    this.#gzip.on('close', () => this.#tar.destroy(new Error('nobody reads the backup any more')));
    this.#tar.pipe(this.#gzip);
  }

  /** The archive as it is written; ending it early makes the next write fail. */
  async *stream(): AsyncGenerator<Uint8Array> {
    yield* this.#gzip as AsyncIterable<Uint8Array>;
  }

  head(head: BackupHead): Promise<void> {
    return this.#add('backup.json', Buffer.from(JSON.stringify(head)));
  }

  /** Writes data as `<section>/000001` and so on; none when there is no data. */
  async parts(section: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    let number = 0;
    let pending: Uint8Array[] = [];
    let size = 0;
    const flush = (): Promise<void> => {
      number += 1;
      const part = Buffer.concat(pending, size);
      pending = [];
      size = 0;
      return this.#add(`${section}/${String(number).padStart(6, '0')}`, part);
    };
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.byteLength; ) {
        const piece = chunk.subarray(at, at + partBytes - size);
        pending.push(piece);
        size += piece.byteLength;
        at += piece.byteLength;
        if (size === partBytes) await flush();
      }
    }
    if (size > 0) await flush();
  }

  /** Notes how many rows a section has. */
  count(section: string, rows: number): void {
    this.#rows[section] = rows;
  }

  async finish(): Promise<void> {
    await this.#list();
    const end: BackupEnd = { entries: this.#entries, digest: this.#chain.digest('hex'), rows: this.#rows };
    await this.#write('end.json', Buffer.from(JSON.stringify(end)));
    this.#tar.finalize();
  }

  /** Ends the archive with the reason why it is not whole, in the place of `end.json`: readers report it. */
  async fail(error: unknown): Promise<void> {
    const code = error instanceof CodedError ? error.code : 'internal';
    const message =
      error instanceof CodedError ? reasonOf(error) : 'something failed inside the core; its log says what';
    await this.#write('failed.json', Buffer.from(JSON.stringify({ code, message })));
    this.#tar.finalize();
  }

  async #add(name: string, content: Buffer): Promise<void> {
    const digest = createHash('sha256').update(content).digest('hex');
    this.#lines.push(digestLine(digest, name));
    this.#entries += 1;
    await this.#write(name, content);
    if (this.#lines.length >= entriesPerList) await this.#list();
  }

  async #list(): Promise<void> {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join('');
    this.#chain.update(text);
    this.#lines = [];
    this.#lists += 1;
    await this.#write(`digests/${String(this.#lists).padStart(6, '0')}`, Buffer.from(text));
  }

  async #write(name: string, content: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const header = { name, size: content.byteLength, mode: 0o600, mtime: new Date(0), type: 'file' as const };
    const entry = this.#tar.entry(header, content, (error) => (error ? reject(error) : resolve()));
    // The callback hears of it too.
    entry.on('error', () => undefined);
    // Called when the entry has been taken over, which is as fast as it is read at the other end.
    await promise;
  }
}

/** As `sha256sum` writes it. */
export function digestLine(digest: string, name: string): string {
  return `${digest}  ${name}\n`;
}
