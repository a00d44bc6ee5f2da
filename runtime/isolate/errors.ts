import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import type { GuestError } from '../protocol/messages.ts';

/**
 * One line of a V8 stack whose position is in a plugin's bundle: `    at spin (plugin:demo:1:18)`. The name before it may be
 * anything that the guest called a function.
 */
const PLUGIN_FRAME =
  /^ {4}at (?:[^\n]{1,500} \(plugin:[a-z][a-z0-9-]{0,63}:\d+:\d+\)|(?:async )?plugin:[a-z][a-z0-9-]{0,63}:\d+:\d+)$/;

/**
 * An error of the host's own, as it may be told to the core: no path of this machine, and of its stack only where the guest
 * was: isolated-vm puts that above the frames of the host when it ends a run.
 */
export function plainError(error: unknown): GuestError {
  const name = error instanceof Error ? error.name : 'Error';
  const text = error instanceof Error ? error.message : String(error);
  const message = text.slice(0, CHANNEL_LIMITS.errorMessageChars);
  const frames = error instanceof Error ? guestFrames(error.stack) : '';
  return { name, message, stack: frames === '' ? '' : `${name}: ${message}\n${frames}`, code: null };
}

/** The lines of a stack that are in plugin bundles, at most as long as a stack may be; the rest is the host's. */
export function guestFrames(stack: unknown): string {
  if (typeof stack !== 'string') return '';
  const lines = stack.slice(0, CHANNEL_LIMITS.errorStackChars).split('\n');
  return lines.filter((line) => PLUGIN_FRAME.test(line)).join('\n');
}
