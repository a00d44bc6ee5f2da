/** From the least to the most urgent; one level includes those after it. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Limits of one line: data, with the reason beside each number. */
export const LINE_LIMITS = {
  /** Characters of a message: what `console.log` makes of a large object. */
  messageChars: 16_384,
  /** Characters of the fields as JSON: an object that somebody wants to look at or a stack, not a body. */
  fieldsChars: 32_768,
  /** Fields, and characters of a field's name. */
  fields: 64,
  fieldNameChars: 128,
} as const;
