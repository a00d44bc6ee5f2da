/** Limits of the channel between core and isolate host: data, with the reason beside each number. */
export const CHANNEL_LIMITS = {
  /** Bytes of one frame: an inline body, its head and some room. Whatever is larger is streamed. */
  frameBytes: 1_200_000,
  /** Bytes of one frame from the core to the host: a bundle travels whole. */
  frameToHostBytes: 16 * 1024 * 1024,
  /** Bytes of a body that travels inside its message; a streamed one costs a round trip more. */
  inlineBodyBytes: 1_048_576,
  /** Bytes of a message's JSON head: URL, headers, registration schemas. */
  headBytes: 131_072,
  /** Bytes of a call's JSON input or output: a storage value of 256 KiB that was escaped, and its key. */
  callBytes: 1_048_576,
  /** Levels of nested arrays and objects in any JSON that a guest sends; nobody means more, a stack ends near 5,000. */
  jsonDepth: 64,
  /** Bytes of one stream chunk: small enough that streams take turns, large enough to be cheap. */
  chunkBytes: 65_536,
  /** Bytes that a stream's writer may be ahead of its reader. */
  streamWindowBytes: 262_144,
  /** Bytes that wait for a host before answers to guests wait too: a guest that asks for more than it reads gets it slowly. */
  congestedBytes: 8 * 1024 * 1024,
  /** Bytes that wait for a host that does not read; over that it is taken for dead. */
  backlogBytes: 64 * 1024 * 1024,
  /** Bytes of one message of the inspector protocol to an isolate: an expression, or a script to be evaluated. */
  inspectorMessageBytes: 1_048_576,
  /** Characters of an error's message and stack that cross. */
  errorMessageChars: 4_096,
  errorStackChars: 16_384,
} as const;
