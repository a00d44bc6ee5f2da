import { randomBytes } from 'node:crypto';
import type { ByteRange } from '../../sandbox-apis/files/range.ts';

/**
 * Keeps blobs: contents under keys of the core's making, each written once and never changed. The core checks sizes and
 * digests of what comes back, so a backend need not.
 */
export interface BlobBackend {
  /** Reads the stream to its end; done when the blob is durable. One that failed may leave something for `delete`. */
  put(
    key: string,
    content: ReadableStream<Uint8Array>,
    options: { readonly size: number | null; readonly signal: AbortSignal },
  ): Promise<void>;
  /** The blob, or exactly that part of it; null when there is none. */
  get(key: string, range: ByteRange | null): Promise<ReadableStream<Uint8Array> | null>;
  stat(key: string): Promise<{ readonly size: number } | null>;
  /** Removes the blob, and what a `put` under way left; that there is none is no error. */
  delete(key: string): Promise<void>;
}

/** A key that no blob ever had: 128 random bits, which say nothing of plugin or path. */
export function newKey(): string {
  return randomBytes(16).toString('hex');
}

/** @throws Error for what cannot be a key: a backend makes names of it */
export function assertKey(key: string): void {
  if (!/^[0-9a-f]{32}$/.test(key)) throw new Error('not the key of a blob');
}
