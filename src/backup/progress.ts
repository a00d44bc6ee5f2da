import type { Part } from './archive-reader.ts';

/** What of a backup has passed so far. */
export interface Passed {
  /** Such as `core/users`, `plugins/crm/rows/00001`, `blobs/...`. */
  readonly section: string;
  /** Of the content, unpacked. */
  readonly bytes: number;
}

/** Tells about each part as it passes. */
export async function* watched(parts: AsyncGenerator<Part>, onPart: (passed: Passed) => void): AsyncGenerator<Part> {
  let bytes = 0;
  for await (const part of parts) {
    yield part;
    bytes += part.content.byteLength;
    onPart({ section: part.section, bytes });
  }
}
