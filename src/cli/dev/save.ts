import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../failure.ts';
import { printable, say } from '../terminal.ts';

/**
 * Writes a body to a file, readable by its owner alone, as it comes.
 *
 * @throws Failure when it cannot be written, or breaks off
 */
export async function saveTo(path: string, body: ReadableStream<Uint8Array>): Promise<void> {
  const file = createWriteStream(path, { mode: 0o600 });
  try {
    await pipeline(Readable.fromWeb(body as never), file);
  } catch (cause) {
    throw new Failure(`${path} was not written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  say(printable(`${path}  ${(file.bytesWritten / 1024).toFixed(1)} KB`));
}
