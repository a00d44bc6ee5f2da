const MAPPING = Buffer.from('sourceMappingURL=');
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Hides source map comments from esbuild, which follows `//# sourceMappingURL=file:///...` and the `sources` of inline
 * maps to files on the disk. It looks for a space after `//#`; debuggers take a tab as well, so nothing is lost.
 * @returns the same bytes when there is no such comment
 */
export function hideSourceMaps(source: Uint8Array): Uint8Array {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  let copy: Buffer | undefined;
  for (let at = bytes.indexOf(MAPPING); at !== -1; at = bytes.indexOf(MAPPING, at + 1)) {
    if (bytes[at - 1] !== SPACE) continue;
    copy ??= Buffer.from(bytes);
    copy[at - 1] = TAB;
  }
  return copy ?? source;
}
