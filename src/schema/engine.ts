import { Ajv, type Format, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import type { GuardedSchema, JsonSchema } from './guard.ts';
import { toIssues } from './issues.ts';
import { SCHEMA_LIMITS } from './limits.ts';
import { linearPattern, spendPatternWork } from './patterns.ts';

/** How a validator treats the value: whether it goes on after the first issue, fills in defaults, turns texts into types. */
export interface EngineMode {
  readonly allErrors: boolean;
  readonly defaults: boolean;
  readonly coerce: boolean;
}

/** What we change of Ajv so that a schema by a stranger is safe to run. */
const HARDENED: Options = {
  // Keywords of forms (`sensitive`, `ui:*`) and unknown formats are tolerated.
  strict: false,
  logger: false,
  // Inherited properties are not there.
  ownProperties: true,
  // Inlining would multiply the code by the references.
  inlineRefs: false,
  // The guard has judged the schema; no schema may be found by its id.
  meta: false,
  validateSchema: false,
  addUsedSchema: false,
  code: {
    regExp: Object.assign((source: string) => Object.assign(linearPattern(source), { toString: () => source }), {
      code: 'linearPattern',
    }),
  },
};

/** The formats of ajv-formats, made safe. */
const FORMATS: Record<string, Format> = Object.fromEntries(
  Object.entries(addFormats(new Ajv()).formats).map(([name, format]) => [
    name,
    bounded(name === 'url' ? isUrl : (format as Format)),
  ]),
);

/** Compiles a schema that the guard let pass. An instance each, so that nothing of one schema reaches another. */
export function compileGuarded({ schema, draft }: GuardedSchema, mode: EngineMode): ValidateFunction {
  const { allErrors, defaults, coerce } = mode;
  const Engine = draft === '2020-12' ? Ajv2020 : Ajv;
  const coerceTypes = coerce ? 'array' : false;
  const ajv = new Engine({ ...HARDENED, formats: FORMATS, allErrors, useDefaults: defaults, coerceTypes });
  // Ajv compares each item with each other one.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must not have equal items' },
    validate: (wanted: boolean, items: unknown[]) => !wanted || new Set(items.map(canonical)).size === items.length,
  });
  return ajv.compile(schema);
}

const metas = {
  '07': new Ajv({ strict: false, logger: false, allErrors: true, validateFormats: false }),
  '2020-12': new Ajv2020({ strict: false, logger: false, allErrors: true, validateFormats: false }),
};

/** What the schema's own schema says of it. */
export function metaIssues(schema: JsonSchema, draft: GuardedSchema['draft']): Issue[] {
  const meta = metas[draft];
  return meta.validateSchema(schema) === true ? [] : toIssues(meta.errors ?? []);
}

/** The format, for texts of at most SCHEMA_LIMITS.formatChars (what is longer does not match), within the allowance. */
function bounded(format: Format): Format {
  if (typeof format === 'object' && !(format instanceof RegExp)) {
    return format.type === 'number' || format.async ? format : bounded(format.validate as Format);
  }
  if (typeof format === 'boolean') return format;
  const matches = typeof format === 'function' ? format : RegExp.prototype.test.bind(new RegExp(format));
  return (text: string) => {
    if (text.length > SCHEMA_LIMITS.formatChars) return false;
    // The expressions of ajv-formats backtrack in the square of the length.
    spendPatternWork(text.length ** 2 / 32);
    return matches(text) === true;
  };
}

/** `url` of ajv-formats backtracks in the third power of the length. */
function isUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\//i.test(text) && URL.canParse(text);
}

/** JSON that is the same for equal values: keys in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
