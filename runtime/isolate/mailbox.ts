import { FLAG } from '../protocol/messages.ts';

/** One message that a guest put into its mailbox, as slices of the text that it handed over. */
export interface Outgoing {
  readonly kind: number;
  readonly id: number;
  readonly flags: number;
  readonly head: string;
  /** Text, or one char a byte when FLAG.binary is set; null when there is none. */
  readonly body: string | null;
}

/**
 * Reads what a guest's `drain` answered: a first line `kind,id,flags,headLength,bodyLength;...`, then all heads and
 * bodies one after the other. The text is the guest's: anything that does not add up is an error.
 *
 * @throws Error when the text is not of that form.
 */
export function readMailbox(text: string, onMessage: (message: Outgoing) => void): void {
  const lineEnd = text.indexOf('\n');
  if (lineEnd < 0) throw new Error('mailbox without an index');
  let at = 0;
  let data = lineEnd + 1;
  const numbers = [0, 0, 0, 0, 0];
  while (at < lineEnd) {
    for (let field = 0; field < 5; field += 1) {
      let value = 0;
      let digits = 0;
      for (; at < lineEnd; at += 1) {
        const code = text.charCodeAt(at) - 48;
        if (code < 0 || code > 9) break;
        value = value * 10 + code;
        digits += 1;
      }
      if (digits === 0 || digits > 10) throw new Error('mailbox index is not made of numbers');
      const end = field === 4 ? ';' : ',';
      if (text[at] !== end) throw new Error('mailbox index has a wrong separator');
      at += 1;
      numbers[field] = value;
    }
    const [kind, id, flags, headLength, bodyLength] = numbers as [number, number, number, number, number];
    const bodyStart = data + headLength;
    const next = bodyStart + bodyLength;
    if (next > text.length || kind > 255 || flags > 255 || id > 0xffff_ffff) throw new Error('mailbox does not add up');
    onMessage({
      kind,
      id,
      flags,
      head: text.slice(data, bodyStart),
      body: (flags & FLAG.body) === 0 ? null : text.slice(bodyStart, next),
    });
    data = next;
  }
  if (data !== text.length) throw new Error('mailbox has more text than its index says');
}
