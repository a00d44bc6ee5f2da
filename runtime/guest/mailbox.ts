import { FLAG } from '../protocol/messages.ts';

/**
 * What goes out of the isolate: an index and the texts, handed over in one string when the host asks (`drain`). Reading
 * it back is runtime/isolate/mailbox.ts.
 */
let index = '';
let data = '';
/** What the host sees too: whether there is anything to hand over, and whether the guest listens for rejections. */
let filled = new Uint8Array(2);

export function shareMailbox(flag: Uint8Array<ArrayBuffer>): void {
  filled = flag;
}

/** Tells the host whether the guest listens for rejections that nobody handles. */
export function listening(listens: boolean): void {
  filled[1] = listens ? 1 : 0;
}

/**
 * Characters that wait to be handed over, beside one message: the host copies all of them into its own memory, which no
 * isolate's limit counts. (An entry that brought 100 requests has 30 million at most, in answers.)
 */
const MAX_WAITING = 16 * 1024 * 1024;

/** Whether so much waits that the guest has to stop talking until the host has taken it. */
export function isFull(): boolean {
  return data.length > MAX_WAITING;
}

export function post(kind: number, id: number, flags: number, head: string, body: string | null): void {
  const bodyLength = body === null ? 0 : body.length;
  index += `${kind},${id},${body === null ? flags : flags | FLAG.body},${head.length},${bodyLength};`;
  data += body === null ? head : head + body;
  filled[0] = 1;
}

/** What the entry under way was left with; null until then. */
let left: string | null = '';

/** A new entry begins: what the one before was left with has arrived. */
export function beginEntry(): void {
  left = null;
}

/**
 * Hands over what waits.
 *
 * @param again what the entry was left with, once more: isolated-vm throws an unhandled rejection in place of its result
 */
export function drain(again = false): string {
  if (again) {
    const lost = left ?? '';
    left = '';
    return lost;
  }
  const out = index === '' ? '' : `${index}\n${data}`;
  index = '';
  data = '';
  filled[0] = 0;
  left ??= out;
  return out;
}
