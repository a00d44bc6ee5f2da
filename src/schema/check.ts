import { createHash } from 'node:crypto';
import type { ValidateFunction } from 'ajv';
import { CodedError, type ErrorCode, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { lru } from './cache.ts';
import { compileGuarded, type EngineMode, metaIssues } from './engine.ts';
import { type GuardedSchema, guardSchema } from './guard.ts';
import { toIssues } from './issues.ts';
import { SCHEMA_LIMITS } from './limits.ts';
import { TooMuchWork, withPatternAllowance } from './patterns.ts';
import { below } from './pointer.ts';

export interface Checked {
  /** A copy of what was given, with defaults (and types) put in; only to be used when there are no issues. */
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

/** A compiled JSON Schema of a plugin; each method answers at most SCHEMA_LIMITS.issues issues, none when it is valid. */
export interface SchemaCheck {
  /** Judges a value as it is. */
  check(value: unknown): Issue[];
  /** Fills in the defaults. */
  fill(value: unknown): Checked;
  /** For query and path parameters: texts become the numbers and booleans that the schema wants, single values arrays. */
  coerce(value: unknown): Checked;
}

/** What a schema is and where it was found, for the error when it is not accepted. */
export interface SchemaSource {
  readonly code: ErrorCode;
  readonly what: string;
  /** JSON pointer of the schema in what it came with; the issues' pointers begin with it. */
  readonly pointer: string;
}

const ARGUMENT: SchemaSource = { code: 'invalid_input', what: 'the JSON Schema', pointer: '' };

const cached = lru<SchemaCheck>(SCHEMA_LIMITS.cached);

/**
 * Compiles a JSON Schema (draft-07, or 2020-12 when `$schema` says so) that a plugin brought, hardened: patterns run in
 * linear time, references stay within it, and every check has bounded work. Equal schemas are compiled once.
 * @throws CodedError with the code of `source` (`invalid_input`) and the issues of the schema as `errors`
 */
export function compileSchema(raw: unknown, source: SchemaSource = ARGUMENT): SchemaCheck {
  const guarded = guardSchema(raw);
  const issues = guarded.issues.length > 0 ? guarded.issues : metaIssues(guarded.schema, guarded.draft);
  if (issues.length > 0) throw schemaError(source, issues);
  const digest = createHash('sha256').update(guarded.draft).update(JSON.stringify(guarded.schema)).digest('base64');
  try {
    return cached(digest, () => build(guarded));
  } catch (error) {
    throw schemaError(source, [{ pointer: '', message: error instanceof Error ? error.message : String(error) }]);
  }
}

export function schemaError({ code, what, pointer }: SchemaSource, issues: readonly Issue[]): CodedError {
  const errors = issues.map((issue) => ({ ...issue, pointer: pointer + issue.pointer }));
  return new CodedError(code, `${what} is not valid at "${errors[0]?.pointer}": ${errors[0]?.message}`, { errors });
}

function build(guarded: GuardedSchema): SchemaCheck {
  const engines = new Map<string, ValidateFunction>();
  const engine = (mode: EngineMode): ValidateFunction => {
    const key = JSON.stringify(mode);
    const made = engines.get(key) ?? compileGuarded(guarded, mode);
    engines.set(key, made);
    return made;
  };
  const run = (value: unknown, values: number, mode: Omit<EngineMode, 'allErrors'>): Issue[] => {
    const work = values * guarded.nodes;
    if (work > SCHEMA_LIMITS.work) return [{ pointer: '', message: `has too many values (${values}) to be checked` }];
    const validate = engine({ ...mode, allErrors: work <= SCHEMA_LIMITS.workForAllIssues });
    try {
      return withPatternAllowance(() => validate(value)) ? [] : toIssues(validate.errors ?? []);
    } catch (error) {
      if (error instanceof TooMuchWork) return [{ pointer: '', message: 'has too much text to be checked' }];
      throw error;
    }
  };
  const check = (value: unknown): Issue[] => {
    const { values, issue } = survey(value);
    return issue === null ? run(value, values, { defaults: false, coerce: false }) : [issue];
  };
  const checkCopy = (given: unknown, coerce: boolean): Checked => {
    const { values, issue } = survey(given);
    if (issue !== null) return { value: null, issues: [issue] };
    const value = structuredClone(given);
    return { issues: run(value, values, { defaults: true, coerce }), value };
  };
  // Compiled now, so that what Ajv does not take shows here.
  engine({ defaults: false, coerce: false, allErrors: true });
  return { check, fill: (value) => checkCopy(value, false), coerce: (value) => checkCopy(value, true) };
}

/** Counts the values; stops at what no check should meet. */
function survey(root: unknown): { values: number; issue: Issue | null } {
  let values = 0;
  const visit = (value: unknown, depth: number): Issue | null => {
    values += 1;
    if (typeof value !== 'object' || value === null) return null;
    if (depth === SCHEMA_LIMITS.valueDepth) return { pointer: '', message: 'is nested too deep' };
    for (const key of Object.keys(value)) {
      const issue =
        key === '__proto__'
          ? { pointer: '', message: 'this name is not allowed' }
          : visit((value as Record<string, unknown>)[key], depth + 1);
      if (issue !== null) return { ...issue, pointer: below('', key) + issue.pointer };
    }
    return null;
  };
  return { issue: visit(root, 0), values };
}
