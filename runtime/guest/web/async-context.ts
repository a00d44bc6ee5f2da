/**
 * Where `node:async_hooks` (runtime/guest/node/async-hooks.ts) gets hold of the callbacks that the platform keeps. Until a
 * plugin has asked for that module, nothing happens here.
 */

/** Binds a callback to the context in which it was given. */
export let bindContext: <T extends (...args: never[]) => unknown>(callback: T) => T = (callback) => callback;
/** Forgets the context, so that what the platform calls next starts with none. */
export let clearContext: () => void = () => {};

/** Puts the two in place, once. */
export function keepContext(bind: typeof bindContext, clear: () => void): void {
  bindContext = bind;
  clearContext = clear;
}
