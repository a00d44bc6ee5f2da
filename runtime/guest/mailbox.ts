import { FLAG } from '../protocol/messages.ts';

/**
 * What goes out of the isolate: an index and the texts, handed over in one string when the host asks (`drain`). Reading
 * it back is runtime/isolate/mailbox.ts.
 */
let index = '';
let data = '';

export function post(kind: number, id: number, flags: number, head: string, body: string | null): void {
  const bodyLength = body === null ? 0 : body.length;
  index += `${kind},${id},${body === null ? flags : flags | FLAG.body},${head.length},${bodyLength};`;
  data += body === null ? head : head + body;
}

export function drain(): string {
  if (index === '') return '';
  const out = `${index}\n${data}`;
  index = '';
  data = '';
  return out;
}
