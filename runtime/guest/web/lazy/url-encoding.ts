/** Stands in for whatwg-url's own module, which takes the global TextEncoder and TextDecoder. */
export { utf8Decode as utf8DecodeWithoutBOM, utf8Encode } from './encoding.ts';
