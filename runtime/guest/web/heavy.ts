/**
 * The parts of the web platform that are fetched from the host and evaluated at first use (parts.ts), so that an isolate
 * pays only for what its plugin touches. `require` here is the bundler's; each call after the first gives the same.
 */
export const heavy = {
  domException: () => require('./lazy/dom-exception.ts') as typeof import('./lazy/dom-exception.ts'),
  /** WHATWG streams. */
  streams: () => require('web-streams-polyfill') as typeof import('web-streams-polyfill'),
  /** WHATWG URL. */
  url: () => require('./lazy/url.ts') as typeof import('./lazy/url.ts'),
  /** UTF-8 and the other encodings. */
  encoding: () => require('./lazy/encoding.ts') as typeof import('./lazy/encoding.ts'),
  crypto: () => require('./lazy/crypto.ts') as typeof import('./lazy/crypto.ts'),
  blob: () => require('./lazy/blob.ts') as typeof import('./lazy/blob.ts'),
  formData: () => require('./lazy/form-data.ts') as typeof import('./lazy/form-data.ts'),
  multipart: () => require('./lazy/multipart.ts') as typeof import('./lazy/multipart.ts'),
  mime: () => require('./lazy/mime.ts') as typeof import('./lazy/mime.ts'),
  structuredClone: () => require('./lazy/structured-clone.ts') as typeof import('./lazy/structured-clone.ts'),
  inspect: () => require('./lazy/inspect.ts') as typeof import('./lazy/inspect.ts'),
} as const;

/** A DOMException of that name; its class is evaluated by the first. */
export function domError(message: string, name: string): Error {
  const { DOMException } = heavy.domException();
  return new DOMException(message, name);
}
