const LAST = 0x10ffff;

/**
 * The smallest text that is greater than everything that begins with `prefix`, in the order of UTF-8 bytes (which is the
 * order of code points); null when there is none.
 */
export function endOfPrefix(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST) points.pop();
  const last = points.pop();
  if (last === undefined) return null;
  // The code points between are halves of surrogate pairs, which no text holds.
  const next = last === 0xd7ff ? 0xe000 : last + 1;
  return String.fromCodePoint(...points, next);
}
