/** A reader of bytes, as ReadableStream gives it. */
interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

const NEWLINE = 10;

/**
 * Takes a stream of UTF-8 apart at the ends of lines.
 *
 * @returns a function that answers the lines which the next chunk completes, as one text; null at the end
 */
export function lineReader(reader: ByteReader, decode: (bytes: Uint8Array) => string): () => Promise<string | null> {
  let rest: Uint8Array | null = null;

  return async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value === undefined) {
        const last = rest;
        rest = null;
        return last === null ? null : decode(last);
      }
      let end = value.length;
      while (end > 0 && value[end - 1] !== NEWLINE) end -= 1;
      const before: Uint8Array | null = rest;
      rest = end === value.length ? null : part(value, end, value.length);
      if (end === 0) {
        rest = before === null ? rest : joined(before, value, value.length);
        continue;
      }
      return decode(before === null ? part(value, 0, end) : joined(before, value, end));
    }
  };
}

function part(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const out = new Uint8Array(to - from);
  for (let at = from; at < to; at += 1) out[at - from] = bytes[at] as number;
  return out;
}

function joined(first: Uint8Array, second: Uint8Array, to: number): Uint8Array {
  const out = new Uint8Array(first.length + to);
  for (let at = 0; at < first.length; at += 1) out[at] = first[at] as number;
  for (let at = 0; at < to; at += 1) out[first.length + at] = second[at] as number;
  return out;
}
