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
  multiByte: () => require('./lazy/multi-byte.ts') as typeof import('./lazy/multi-byte.ts'),
  crypto: () => require('./lazy/crypto.ts') as typeof import('./lazy/crypto.ts'),
  /** `crypto.subtle`. */
  subtle: () => require('./lazy/subtle.ts') as typeof import('./lazy/subtle.ts'),
  blob: () => require('./lazy/blob.ts') as typeof import('./lazy/blob.ts'),
  fileReader: () => require('./lazy/file-reader.ts') as typeof import('./lazy/file-reader.ts'),
  formData: () => require('./lazy/form-data.ts') as typeof import('./lazy/form-data.ts'),
  multipart: () => require('./lazy/multipart.ts') as typeof import('./lazy/multipart.ts'),
  mime: () => require('./lazy/mime.ts') as typeof import('./lazy/mime.ts'),
  structuredClone: () => require('./lazy/structured-clone.ts') as typeof import('./lazy/structured-clone.ts'),
  requestOptions: () => require('./lazy/request-options.ts') as typeof import('./lazy/request-options.ts'),
  urlPattern: () => require('./lazy/url-pattern.ts') as typeof import('./lazy/url-pattern.ts'),
  compression: () => require('./lazy/compression.ts') as typeof import('./lazy/compression.ts'),
  messages: () => require('./lazy/messages.ts') as typeof import('./lazy/messages.ts'),
  errorEvents: () => require('./lazy/error-events.ts') as typeof import('./lazy/error-events.ts'),
  /** What `connect` answers. */
  sockets: () =>
    require('../../../sandbox-apis/connect/guest-socket.ts') as typeof import('../../../sandbox-apis/connect/guest-socket.ts'),
  files: () =>
    require('../../../sandbox-apis/files/guest-files.ts') as typeof import('../../../sandbox-apis/files/guest-files.ts'),
  services: () =>
    require('../../../sandbox-apis/services/guest-services.ts') as typeof import('../../../sandbox-apis/services/guest-services.ts'),
  /** `streamspace.database`. */
  database: () =>
    require('../../../sandbox-apis/database/guest-database.ts') as typeof import('../../../sandbox-apis/database/guest-database.ts'),
  storageMany: () =>
    require('../../../sandbox-apis/storage/guest-many.ts') as typeof import('../../../sandbox-apis/storage/guest-many.ts'),
  inspect: () => require('./lazy/inspect.ts') as typeof import('./lazy/inspect.ts'),
} as const;

/** A DOMException of that name; its class is evaluated by the first. */
export function domError(message: string, name: string): Error {
  const { DOMException } = heavy.domException();
  return new DOMException(message, name);
}
