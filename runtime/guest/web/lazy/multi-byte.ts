/** The multi-byte encodings of East Asia, whose tables are 150 KB: a part of its own. */
export { createMultibyteDecoder } from '@exodus/bytes/multi-byte.js';
