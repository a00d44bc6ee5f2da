// The npm packages that the modules of Node are made of, where they have no types of their own or Node's name.

declare module 'buffer/' {
  export * from 'node:buffer';
}
declare module 'events/' {
  import events from 'node:events';
  export = events;
}
declare module 'string_decoder/' {
  export * from 'node:string_decoder';
}
declare module 'punycode/punycode.js' {
  const punycode: Readonly<Record<string, unknown>>;
  export = punycode;
}
declare module 'assert/build/assert.js' {
  const assert: object;
  export = assert;
}
declare module 'assert/build/internal/util/comparisons.js' {
  export function isDeepStrictEqual(a: unknown, b: unknown): boolean;
}
declare module 'path-browserify' {
  const path: Record<string, unknown>;
  export = path;
}
declare module 'readable-stream/lib/stream.js' {
  import stream from 'node:stream';
  export = stream;
}
declare module 'unenv/node/querystring' {
  const querystring: Readonly<Record<string, unknown>>;
  export default querystring;
}
declare module 'unenv/node/url' {
  const url: Readonly<Record<string, unknown>>;
  export default url;
}
