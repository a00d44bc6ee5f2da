import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import type { JsonSchema } from '../schema/guard.ts';
import { linearPattern, withPatternAllowance } from '../schema/patterns.ts';
import { below, resolveLocal } from '../schema/pointer.ts';

/** Whether a key of an object (or a number of an array) is on the way to a sensitive field. */
type Step = (key: string) => boolean;
/** From the root of the configuration to a sensitive field. */
export type SensitivePath = readonly Step[];

/** More than any form has; each costs time at every read of the configuration. */
const MAX_FIELDS = 200;

/** Keywords whose schemas apply to the value itself. */
const IN_PLACE = ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'not'];
const IN_PLACE_BY_NAME = ['dependentSchemas', 'dependencies'];
/** Keywords whose schemas apply to items, whichever. */
const ITEMS = ['items', 'additionalItems', 'prefixItems', 'unevaluatedItems', 'contains'];

type Node = Readonly<Record<string, unknown>>;

/**
 * Where a schema that the guard let pass marks fields as sensitive: `sensitive: true`, `format: "password"` or
 * `writeOnly: true`. A field counts when any branch of the schema marks it.
 */
export function findSensitive(root: JsonSchema): { paths: readonly SensitivePath[]; issues: readonly Issue[] } {
  const paths: SensitivePath[] = [];
  const issues: Issue[] = [];

  const visitAll = (nodes: unknown, steps: SensitivePath, at: string): void => {
    if (typeof nodes !== 'object' || nodes === null) return;
    for (const [key, node] of Object.entries(nodes)) visit(node, steps, below(at, key));
  };
  const visit = (node: unknown, steps: SensitivePath, at: string): void => {
    if (Array.isArray(node)) visitAll(node, steps, at);
    if (!isNode(node) || paths.length > MAX_FIELDS) return;
    if (isMarked(node)) {
      if (!isText(node, root))
        issues.push({ pointer: at, message: 'only a field of `type: "string"` can be sensitive' });
      paths.push(steps);
      return;
    }
    if (typeof node.$ref === 'string') visit(resolveLocal(root, node.$ref), steps, at);
    for (const keyword of IN_PLACE) visit(node[keyword], steps, below(at, keyword));
    for (const keyword of IN_PLACE_BY_NAME) visitAll(node[keyword], steps, below(at, keyword));
    for (const keyword of ITEMS) visit(node[keyword], [...steps, () => true], below(at, keyword));
    for (const [key, part] of entries(node.properties)) {
      visit(part, [...steps, (name) => name === key], below(below(at, 'properties'), key));
    }
    const named = new Set(entries(node.properties).map(([key]) => key));
    for (const [source, part] of entries(node.patternProperties)) {
      const pattern = linearPattern(source);
      visit(
        part,
        [...steps, (name) => withPatternAllowance(() => pattern.test(name))],
        below(below(at, 'patternProperties'), source),
      );
    }
    for (const keyword of ['additionalProperties', 'unevaluatedProperties']) {
      visit(node[keyword], [...steps, (name) => !named.has(name)], below(at, keyword));
    }
  };

  visit(root, [], '');
  if (paths.length > MAX_FIELDS) issues.push({ pointer: '', message: `has more than ${MAX_FIELDS} sensitive fields` });
  return { paths, issues };
}

/** Whether the keys lead to a sensitive field. */
export function isOnPath(paths: readonly SensitivePath[], keys: readonly string[]): boolean {
  return paths.some((path) => path.length === keys.length && path.every((step, i) => step(keys[i] ?? '')));
}

/** What becomes of a sensitive field: a new value, or `undefined` to take it away (null in an array). */
export type Replace = (value: unknown, keys: readonly string[]) => unknown;

/** The value with each sensitive field that is there replaced; it shares with the one given what has none. */
export function replaceSensitive(value: unknown, paths: readonly SensitivePath[], replace: Replace): unknown {
  return visitValue(value, paths, [], replace);
}

function visitValue(
  value: unknown,
  paths: readonly SensitivePath[],
  keys: readonly string[],
  replace: Replace,
): unknown {
  // Beside the paths nothing is copied: what an admin sends may be nested deeper than a stack reaches.
  if (paths.length === 0 || typeof value !== 'object' || value === null) return value;
  const next = (part: unknown, key: string): unknown => {
    const inside = paths.filter((path) => path[0]?.(key)).map((path) => path.slice(1));
    const at = [...keys, key];
    return inside.some((path) => path.length === 0) ? replace(part, at) : visitValue(part, inside, at, replace);
  };
  if (Array.isArray(value)) return value.map((part, i) => next(part, String(i)) ?? null);
  const parts = Object.entries(value).map(([key, part]) => [key, next(part, key)] as const);
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
}

function isMarked(node: Node): boolean {
  return node.sensitive === true || node.format === 'password' || node.writeOnly === true;
}

function isText(node: Node, root: JsonSchema): boolean {
  const target = typeof node.$ref === 'string' ? resolveLocal(root, node.$ref) : node;
  const type = isNode(target) ? target.type : undefined;
  const types = Array.isArray(type) ? type : [type];
  return types.includes('string') && types.every((name) => name === 'string' || name === 'null');
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entries(value: unknown): [string, unknown][] {
  return isNode(value) ? Object.entries(value) : [];
}
