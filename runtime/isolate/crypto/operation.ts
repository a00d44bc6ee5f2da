import type { Keyring } from './keyring.ts';
import type { Request } from './request.ts';

/** What an operation gives: JSON and bytes. */
export interface Answer {
  readonly head: Readonly<Record<string, unknown>>;
  readonly body: Buffer | null;
}

/** Does one thing that a guest asked for. @throws Refusal, and whatever Node throws */
export type Operation = (request: Request, keys: Keyring) => Promise<Answer>;

export function answerOf(bytes: ArrayBuffer | Buffer): Answer {
  return { head: {}, body: Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes) };
}
