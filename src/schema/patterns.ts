import { RE2JS } from 're2js';
import { SCHEMA_LIMITS } from './limits.ts';

/** What a check may still spend on patterns; a check runs to its end before another begins. */
let workLeft = 0;

/** The patterns of one check take more than SCHEMA_LIMITS.patternWork. */
export class TooMuchWork extends Error {}

/** Runs a check with a fresh allowance for its patterns. @throws TooMuchWork */
export function withPatternAllowance<T>(check: () => T): T {
  workLeft = SCHEMA_LIMITS.patternWork;
  return check();
}

/** Takes from the allowance of the check that is running. @throws TooMuchWork */
export function spendPatternWork(work: number): void {
  workLeft -= work;
  if (workLeft < 0) throw new TooMuchWork();
}

/** A regular expression that runs in linear time; matches anywhere in the text, as JSON Schema says. */
export interface LinearPattern {
  test(text: string): boolean;
}

/**
 * Compiles a pattern of a plugin's schema (ECMAScript syntax, as far as RE2 has it) to one that cannot backtrack.
 * @throws Error that says what RE2 does not take
 */
export function linearPattern(source: string): LinearPattern {
  if (source.length > SCHEMA_LIMITS.patternChars) {
    throw new Error(`is ${source.length} characters long, more than ${SCHEMA_LIMITS.patternChars}`);
  }
  const compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  const size = compiled.programSize();
  if (size > SCHEMA_LIMITS.patternInstructions) {
    throw new Error(`compiles to ${size} instructions, more than ${SCHEMA_LIMITS.patternInstructions}`);
  }
  return {
    test(text) {
      spendPatternWork(text.length * size);
      return compiled.test(text);
    },
  };
}

/** Why the pattern is refused, or null. */
export function patternProblem(source: string): string | null {
  try {
    linearPattern(source);
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `the pattern ${JSON.stringify(source.slice(0, 100))} is not accepted (RE2 syntax, without look-around and back-references): ${reason}`;
  }
}
