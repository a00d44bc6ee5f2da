import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteRange } from '../../sandbox-apis/files/range.ts';
import { assertKey, type BlobBackend } from './backend.ts';

/** Bytes of one read: a few chunks of the channel, so that the disk is asked less often than the reader. */
const READ_BYTES = 262_144;

/**
 * Blobs on the local disk, below `folder`: `<first two characters of the key>/<key>`, mode 0600. A blob appears under its
 * name when it is whole and on the disk; until then it is in `incoming/`.
 */
export function createLocalBackend(folder: string): BlobBackend {
  const incoming = join(folder, 'incoming');
  const shardOf = (key: string): string => {
    assertKey(key);
    return join(folder, key.slice(0, 2));
  };
  const placeOf = (key: string): string => join(shardOf(key), key);

  return {
    async put(key, content, { signal }) {
      const shard = shardOf(key);
      const temporary = join(incoming, key);
      await mkdir(incoming, { recursive: true, mode: 0o700 });
      if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(folder);
      const file = await open(temporary, 'wx', 0o600);
      try {
        for await (const chunk of content as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>) {
          signal.throwIfAborted();
          await writeAll(file, chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(shard, key));
      await syncFolder(shard);
    },

    async get(key, range) {
      const file = await open(placeOf(key), 'r').catch(unlessAbsent);
      if (file === null) return null;
      return readStream(file, range ?? { offset: 0, length: Number.POSITIVE_INFINITY });
    },

    async stat(key) {
      const found = await stat(placeOf(key)).catch(unlessAbsent);
      return found === null ? null : { size: found.size };
    },

    async delete(key) {
      await rm(placeOf(key), { force: true });
      await rm(join(incoming, key), { force: true });
    },
  };
}

function unlessAbsent(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
}

/** Makes the names in a folder durable: a file that is on the disk under no name is lost with the power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Holds the file open, so that it can be read to its end although it is removed meanwhile. */
function readStream(file: FileHandle, { offset, length }: ByteRange): ReadableStream<Uint8Array> {
  let position = offset;
  let left = length;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const buffer = new Uint8Array(Math.min(READ_BYTES, left));
          const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
          position += bytesRead;
          left -= bytesRead;
          if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
          if (bytesRead > 0 && left > 0) return;
        } catch (error) {
          await file.close();
          throw error;
        }
        await file.close();
        controller.close();
      },
      cancel: () => file.close(),
    },
    { highWaterMark: 0 },
  );
}
