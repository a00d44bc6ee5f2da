import type { Part } from './archive-reader.ts';

/** Parts that belong together, as one stream. */
export interface Section {
  readonly name: string;
  /** May be left unread; what is left of it is then skipped. */
  readonly content: AsyncGenerator<Uint8Array>;
}

/** Puts the parts of an archive together again, one section after the other. */
export async function* sections(parts: AsyncGenerator<Part>): AsyncGenerator<Section> {
  let next = await parts.next();
  while (!next.done) {
    const name = next.value.section;
    const content = (async function* () {
      while (!next.done && next.value.section === name) {
        yield next.value.content;
        next = await parts.next();
      }
    })();
    yield { name, content };
    for await (const _ of content);
  }
}

/** The whole of a section. @throws what `tooLong` makes when it has more bytes than that */
export async function readWhole(
  content: AsyncIterable<Uint8Array>,
  limit: number,
  tooLong: () => Error,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.byteLength;
    if (size > limit) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
