import { FLAG } from '../protocol/messages.ts';

/**
 * What goes out of the isolate: an index and the texts, handed over in one string when the host asks (`drain`). Reading
 * it back is runtime/isolate/mailbox.ts.
 */
let index = '';
let data = '';
/** One byte that the host sees too: whether there is anything to hand over. */
let filled = new Uint8Array(1);

export function shareMailbox(flag: Uint8Array<ArrayBuffer>): void {
  filled = flag;
}

export function post(kind: number, id: number, flags: number, head: string, body: string | null): void {
  const bodyLength = body === null ? 0 : body.length;
  index += `${kind},${id},${body === null ? flags : flags | FLAG.body},${head.length},${bodyLength};`;
  data += body === null ? head : head + body;
  filled[0] = 1;
}

export function drain(): string {
  if (index === '') return '';
  const out = `${index}\n${data}`;
  index = '';
  data = '';
  filled[0] = 0;
  return out;
}
