/** Limits of JSON Schemas that plugins bring and of what they check: data, with the reason beside each number. */
export const SCHEMA_LIMITS = {
  /** Bytes of a schema as JSON: compiling it takes the core's time. */
  schemaBytes: 64 * 1024,
  /** Levels of nesting of a schema. */
  schemaDepth: 32,
  /** JSON values in a schema with every `$ref` replaced by its target: what one value may be checked against. */
  schemaNodes: 10_000,
  /** Characters of one pattern, and instructions it may compile to (RE2's time is text times program). */
  patternChars: 1_000,
  patternInstructions: 2_000,
  /** Characters times instructions that the patterns of one check may take: about 0.2 s. */
  patternWork: 20_000_000,
  /** Characters of a text that `format` accepts: the expressions of ajv-formats backtrack. */
  formatChars: 2_048,
  /** Levels of nesting of a checked value; the channel takes no more either. */
  valueDepth: 64,
  /** Values times schema nodes of one check: an upper bound of its steps, about 0.5 s. */
  work: 50_000_000,
  /** Above so many steps a check ends at the first issue: each issue takes memory. */
  workForAllIssues: 500_000,
  /** Issues of one answer. */
  issues: 50,
  /** Compiled schemas that are kept, about 20 KB each. */
  cached: 500,
} as const;
