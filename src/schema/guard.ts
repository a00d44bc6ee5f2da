import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { SCHEMA_LIMITS } from './limits.ts';
import { patternProblem } from './patterns.ts';
import { below, resolveLocal } from './pointer.ts';

export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

export interface GuardedSchema {
  /** A copy of what was given, safe to compile when there are no issues. */
  readonly schema: JsonSchema;
  readonly draft: '07' | '2020-12';
  /** JSON values in it with every `$ref` replaced by its target. */
  readonly nodes: number;
  readonly issues: readonly Issue[];
}

/** Keywords that reach outside the schema, make it asynchronous or recursive; refused where they are keywords. */
const REFUSED = [
  '$async',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$anchor',
  '$vocabulary',
];

/**
 * Judges a JSON Schema by a plugin before it is compiled: size, depth, patterns that RE2 takes, `$ref` only within and
 * without circles, no name that every object inherits. Whatever passes is checked in bounded time.
 */
export function guardSchema(raw: unknown): GuardedSchema {
  const refuse = (message: string): GuardedSchema => ({
    schema: false,
    draft: '07',
    nodes: 0,
    issues: [{ pointer: '', message }],
  });
  if (typeof raw !== 'boolean' && (typeof raw !== 'object' || raw === null || Array.isArray(raw))) {
    return refuse('must be a JSON Schema: an object, or true or false');
  }
  if (isDeeper(raw, SCHEMA_LIMITS.schemaDepth))
    return refuse(`is nested deeper than ${SCHEMA_LIMITS.schemaDepth} levels`);
  const json = JSON.stringify(raw);
  if (Buffer.byteLength(json) > SCHEMA_LIMITS.schemaBytes) {
    return refuse(`is ${Buffer.byteLength(json)} bytes of JSON, more than ${SCHEMA_LIMITS.schemaBytes}`);
  }
  const schema = JSON.parse(json) as boolean | { $schema?: unknown; $id?: unknown };
  let draft: GuardedSchema['draft'] = '07';
  if (typeof schema === 'object') {
    if (String(schema.$schema).includes('2020-12')) draft = '2020-12';
    // Names for the outside, of which there is none.
    delete schema.$schema;
    delete schema.$id;
  }
  const issues: Issue[] = [];
  judge(schema, '', issues);
  const nodes = issues.length > 0 ? 0 : weigh(schema, issues);
  return { schema: schema as JsonSchema, draft, nodes, issues };
}

/** Whether the value is nested deeper than that many levels. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1));
}

function judge(node: unknown, pointer: string, issues: Issue[]): void {
  if (typeof node !== 'object' || node === null || issues.length >= SCHEMA_LIMITS.issues) return;
  const add = (key: string, message: string) => issues.push({ pointer: below(pointer, key), message });
  for (const [key, value] of Object.entries(node)) {
    // A property may be called `$async` or `$id`; then its value is a schema, not a text or flag.
    const isKeyword = typeof value !== 'object';
    if (key === '__proto__') add(key, 'this name is not allowed');
    else if (isKeyword && (REFUSED.includes(key) || key === '$id')) add(key, `"${key}" is not supported`);
    else if (isKeyword && key === '$ref' && !isLocal(value)) add(key, 'only references within the schema: "#/..."');
    else if (key === 'pattern' && typeof value === 'string') judgePatterns([value], add.bind(null, key));
    else if (key === 'patternProperties') judgePatterns(keysOf(value), add.bind(null, key));
    else if (key === 'properties') {
      const inherited = keysOf(value).filter((name) => name in Object.prototype);
      for (const name of inherited) add(key, `a property cannot be called "${name}": every object has one`);
    }
    judge(value, below(pointer, key), issues);
  }
}

function judgePatterns(sources: readonly string[], add: (message: string) => void): void {
  for (const source of sources) {
    const problem = patternProblem(source);
    if (problem !== null) add(problem);
  }
}

function isLocal(ref: unknown): boolean {
  return typeof ref === 'string' && (ref === '#' || ref.startsWith('#/'));
}

function keysOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}

/** Counts the JSON values with each `$ref` as its target; a circle would make them infinite. */
function weigh(root: unknown, issues: Issue[]): number {
  const known = new Map<object, number>();
  const open = new Set<object>();
  const circles = new Set<string>();

  const weight = (node: unknown, pointer: string): number => {
    if (typeof node !== 'object' || node === null) return 1;
    const before = known.get(node);
    if (before !== undefined) return before;
    if (open.has(node)) {
      circles.add(pointer);
      return 1;
    }
    open.add(node);
    let sum = 1;
    for (const [key, value] of Object.entries(node)) {
      const at = below(pointer, key);
      sum += weight(value, at);
      if (key !== '$ref' || typeof value !== 'string') continue;
      const target = resolveLocal(root, value);
      if (target === undefined) issues.push({ pointer: at, message: `"${value.slice(0, 100)}" leads nowhere` });
      else sum += weight(target, at);
    }
    open.delete(node);
    known.set(node, sum);
    return sum;
  };

  const nodes = weight(root, '');
  for (const pointer of circles) issues.push({ pointer, message: 'a schema that refers to itself is not supported' });
  if (nodes > SCHEMA_LIMITS.schemaNodes && circles.size === 0) {
    issues.push({
      pointer: '',
      message: `has ${nodes} parts with its references, more than ${SCHEMA_LIMITS.schemaNodes}`,
    });
  }
  return nodes;
}
