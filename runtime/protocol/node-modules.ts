/**
 * The modules of Node that a guest has, by name without `node:`: the part of the prelude that is the module
 * (`runtime/guest/node/<part>.ts`), and which of its members when the module is one of those. The bundler leaves imports of
 * them to the guest's `require`, and refuses all others.
 */
export const NODE_MODULES: Readonly<Record<string, readonly [part: string, member?: string]>> = {
  assert: ['assert'],
  'assert/strict': ['assert', 'strict'],
  async_hooks: ['async-hooks'],
  buffer: ['buffer'],
  crypto: ['crypto'],
  events: ['events'],
  path: ['path'],
  'path/posix': ['path'],
  process: ['process'],
  punycode: ['punycode'],
  querystring: ['querystring'],
  stream: ['stream'],
  'stream/promises': ['stream', 'promises'],
  'stream/web': ['stream-web'],
  string_decoder: ['string-decoder'],
  timers: ['timers'],
  'timers/promises': ['timers', 'promises'],
  url: ['url'],
  util: ['util'],
  'util/types': ['util-types'],
};

/** Cloudflare's name for the WinterTC Sockets API, which SMTP and database libraries import. */
export const SOCKETS_MODULE = 'cloudflare:sockets';

/**
 * What esbuild translates so that `AsyncLocalStorage` works: V8 gives an isolate no hook on `await`, so that async functions
 * become generators over `Promise.prototype.then`, which the guest's `node:async_hooks` binds.
 */
export const KEEPS_CONTEXT = { 'async-await': false, 'async-generator': false, 'for-await': false } as const;
