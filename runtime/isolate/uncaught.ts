import type ivm from 'isolated-vm';
import type { Frame } from '../protocol/frame.ts';
import { FLAG, KIND, LANE } from '../protocol/messages.ts';
import { plainError } from './errors.ts';
import type { Outgoing } from './mailbox.ts';

/** What isolated-vm says of a run that its `timeout` ended. */
const TIMED_OUT = 'Script execution timed out.';

/**
 * Whether an entry failed because of a promise that was rejected in it and that nobody handled: isolated-vm throws that in
 * place of the result. The prelude's own code throws nothing, and the isolate is as sound as before.
 */
export function isUnhandledRejection(error: unknown, isolate: ivm.Isolate): boolean {
  return !isolate.isDisposed && !(error instanceof Error && error.message === TIMED_OUT);
}

/** What tells a guest of it that listens for them. */
export function uncaughtFrame(isolate: number, error: unknown): Frame {
  const head = JSON.stringify(plainError(error));
  return { kind: KIND.uncaught, flags: 0, lane: LANE.uncaught, isolate, id: 0, head, body: Buffer.alloc(0) };
}

/** The line in the plugin's log that tells of it, as if the guest had written it. */
export function uncaughtLine(error: unknown): Outgoing {
  const { name, message, stack } = plainError(error);
  const line = { level: 'error', message: `Uncaught (in promise) ${name}: ${message}`, fields: { stack } };
  return { kind: KIND.send, id: 0, flags: FLAG.body, head: '"log.write"', body: JSON.stringify(line) };
}
