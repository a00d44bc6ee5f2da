const HEAD_END = Buffer.from('\r\n\r\n');
/** As Bun's server writes it. */
const LENGTH = Buffer.from('\r\nContent-Length: ');
const ZERO = 48;

export interface AnswerHead {
  readonly status: number;
  /** Where the body begins. */
  readonly bodyAt: number;
  /** Bytes of the body; NaN when the answer does not say, as those that are measured do. */
  readonly length: number;
}

/**
 * Reads status and length of an HTTP/1.1 answer, without making strings: it runs for every answer.
 *
 * @returns null when the head is not whole yet
 */
export function parseAnswerHead(bytes: Buffer): AnswerHead | null {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return null;
  const at = bytes.indexOf(LENGTH);
  const length = at >= 0 && at < end ? digits(bytes, at + LENGTH.length) : lengthOf(bytes.toString('latin1', 0, end));
  return { status: digits(bytes, 9), bodyAt: end + HEAD_END.length, length };
}

function digits(bytes: Buffer, from: number): number {
  let value = 0;
  for (let at = from; ; at += 1) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

function lengthOf(head: string): number {
  const match = /\r\ncontent-length: *(\d+)/i.exec(head);
  return match === null ? Number.NaN : Number(match[1]);
}
