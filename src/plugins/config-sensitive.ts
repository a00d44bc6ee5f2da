import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import type { JsonSchema } from '../schema/guard.ts';
import { linearPattern, withPatternAllowance } from '../schema/patterns.ts';
import { below, resolveLocal } from '../schema/pointer.ts';

/** Whether a key of an object (or a number of an array) is on the way to a sensitive field. */
type Step = (key: string) => boolean;
/** From a value to a sensitive field in it. */
export type SensitivePath = readonly Step[];

/** More than any form has; each costs time at every read of the configuration. */
const MAX_FIELDS = 200;

/** Keywords whose schemas apply to the value itself. */
const IN_PLACE = ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'not'];
const IN_PLACE_BY_NAME = ['dependentSchemas', 'dependencies'];
/** Keywords of which one branch may be something else than text. */
const ALTERNATIVES = ['anyOf', 'oneOf'];
/** Keywords with values that whoever has the package can read. */
const VALUES = ['default', 'const', 'enum'];
/** Keywords below which a mark is no field's: values, and schemas that count only where a `$ref` leads to them. */
const NO_FIELDS: ReadonlySet<string> = new Set([...VALUES, 'examples', 'definitions', '$defs']);

type Node = Readonly<Record<string, unknown>>;

/**
 * Where a schema that the guard let pass marks fields as sensitive: `sensitive: true`, `format: "password"` or
 * `writeOnly: true`. A field counts when any branch of the schema marks it. What cannot be kept secret is an issue.
 */
export function findSensitive(root: JsonSchema): { paths: readonly SensitivePath[]; issues: readonly Issue[] } {
  const finder = new Finder(root);
  const paths = finder.visit(root, '');
  finder.checkElsewhere(root, '');
  if (paths.length > MAX_FIELDS) {
    finder.issues.push({ pointer: '', message: `has more than ${MAX_FIELDS} sensitive fields` });
  }
  return { paths, issues: finder.issues };
}

class Finder {
  readonly issues: Issue[] = [];
  readonly #root: JsonSchema;
  readonly #visited = new Set<Node>();

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  /** The sensitive fields of values that the schema describes. */
  visit(node: unknown, at: string): SensitivePath[] {
    if (Array.isArray(node)) return node.flatMap((part, i) => this.visit(part, below(at, i)));
    if (!isNode(node)) return [];
    this.#visited.add(node);
    if (node.sensitive !== undefined && typeof node.sensitive !== 'boolean') {
      this.#refuse(below(at, 'sensitive'), 'must be true or false');
    }
    const paths: SensitivePath[] = isMarked(node) ? [[]] : this.#inside(node, at);
    if (isMarked(node) && !this.#isText(node)) this.#refuse(at, 'only a field of `type: "string"` can be sensitive');
    for (const keyword of VALUES) this.#checkValues(node[keyword], paths, below(at, keyword));
    return paths;
  }

  #inside(node: Node, at: string): SensitivePath[] {
    const paths: SensitivePath[] = [];
    if (typeof node.$ref === 'string') paths.push(...this.visit(resolveLocal(this.#root, node.$ref), at));
    for (const keyword of IN_PLACE) paths.push(...this.visit(node[keyword], below(at, keyword)));
    for (const keyword of IN_PLACE_BY_NAME) {
      for (const [key, part] of entries(node[keyword])) {
        if (isNode(part)) paths.push(...this.visit(part, below(below(at, keyword), key)));
      }
    }
    for (const keyword of ALTERNATIVES) this.#checkAlternatives(node[keyword], below(at, keyword));
    return [...paths, ...this.#items(node, at), ...this.#properties(node, at)];
  }

  #items(node: Node, at: string): SensitivePath[] {
    // Of a tuple the items that have a schema of their own.
    const keyword = Array.isArray(node.prefixItems) ? 'prefixItems' : 'items';
    const list = node[keyword];
    const tuple: readonly unknown[] = Array.isArray(list) ? list : [];
    const paths = tuple.flatMap((part, i) =>
      this.#step((key) => key === String(i), part, below(below(at, keyword), i)),
    );
    for (const rest of ['items', 'additionalItems', 'unevaluatedItems']) {
      const part = node[rest];
      if (!Array.isArray(part)) paths.push(...this.#step((key) => Number(key) >= tuple.length, part, below(at, rest)));
    }
    return [...paths, ...this.#step(() => true, node.contains, below(at, 'contains'))];
  }

  #properties(node: Node, at: string): SensitivePath[] {
    const paths: SensitivePath[] = [];
    const named = new Set(entries(node.properties).map(([key]) => key));
    for (const [key, part] of entries(node.properties)) {
      paths.push(...this.#step((name) => name === key, part, below(below(at, 'properties'), key)));
    }
    const matchers: Step[] = [];
    for (const [source, part] of entries(node.patternProperties)) {
      const pattern = linearPattern(source);
      const matches: Step = (name) => withPatternAllowance(() => pattern.test(name));
      matchers.push(matches);
      paths.push(...this.#step(matches, part, below(below(at, 'patternProperties'), source)));
    }
    const isOther: Step = (name) => !named.has(name) && !matchers.some((matches) => matches(name));
    for (const keyword of ['additionalProperties', 'unevaluatedProperties']) {
      paths.push(...this.#step(isOther, node[keyword], below(at, keyword)));
    }
    return paths;
  }

  #step(step: Step, node: unknown, at: string): SensitivePath[] {
    return this.visit(node, at).map((path) => [step, ...path]);
  }

  /** A field that is sensitive in one branch would be no text in another, and stand in the clear. */
  #checkAlternatives(branches: unknown, at: string): void {
    if (!Array.isArray(branches)) return;
    const nodes = branches.map((branch) => (isNode(branch) ? this.#target(branch) : branch));
    if (!nodes.some((node) => isNode(node) && isMarked(node))) return;
    for (const [i, node] of nodes.entries()) {
      if (isNode(node) && (this.#isText(node) || node.type === 'null')) continue;
      this.#refuse(
        below(at, i),
        'another branch is sensitive, so this one has to be of `type: "string"` (or "null") too',
      );
    }
  }

  /** What stands in the manifest is no secret. */
  #checkValues(values: unknown, paths: readonly SensitivePath[], at: string): void {
    if (values === undefined || paths.length === 0) return;
    const found = at.endsWith('/enum') && Array.isArray(values) ? values : [values];
    if (found.some((value) => holdsSensitive(value, paths))) {
      this.#refuse(at, 'a sensitive field has no value here: whoever has the package can read it');
    }
  }

  /** A mark where no field is would be passed over, and what was meant would not be secret. */
  checkElsewhere(node: unknown, at: string): void {
    if (typeof node !== 'object' || node === null) return;
    if (isNode(node) && isMarked(node) && !this.#visited.has(node)) {
      this.#refuse(at, 'nothing that is described here can be sensitive');
    }
    for (const [key, part] of Object.entries(node)) {
      if (!NO_FIELDS.has(key)) this.checkElsewhere(part, below(at, key));
    }
  }

  /** Where `$ref` leads in the end; the guard has seen to it that it does. */
  #target(node: Node): Node {
    const target = typeof node.$ref === 'string' && !isMarked(node) ? resolveLocal(this.#root, node.$ref) : null;
    return isNode(target) ? this.#target(target) : node;
  }

  #isText(node: Node): boolean {
    const target = typeof node.$ref === 'string' ? resolveLocal(this.#root, node.$ref) : node;
    if (isNode(target) && target !== node) return this.#isText(target);
    const types = Array.isArray(node.type) ? node.type : [node.type];
    return types.includes('string') && types.every((name) => name === 'string' || name === 'null');
  }

  #refuse(pointer: string, message: string): void {
    this.issues.push({ pointer, message });
  }
}

/** Whether the keys lead to a sensitive field. */
export function isOnPath(paths: readonly SensitivePath[], keys: readonly string[]): boolean {
  return paths.some((path) => path.length === keys.length && path.every((step, i) => step(keys[i] ?? '')));
}

/** The paths that go on from that key. */
export function pathsInside(paths: readonly SensitivePath[], key: string): SensitivePath[] {
  return paths.filter((path) => path[0]?.(key)).map((path) => path.slice(1));
}

/** Whether one of the paths has reached its field. */
export function isField(paths: readonly SensitivePath[]): boolean {
  return paths.some((path) => path.length === 0);
}

/** Whether the value has a sensitive field that is not empty. */
export function holdsSensitive(value: unknown, paths: readonly SensitivePath[]): boolean {
  if (isField(paths)) return value !== '' && value !== null && value !== undefined;
  let found = false;
  replaceSensitive(value, paths, (field) => {
    found ||= field !== '' && field !== null;
    return field;
  });
  return found;
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
    const inside = pathsInside(paths, key);
    const at = [...keys, key];
    return isField(inside) ? replace(part, at) : visitValue(part, inside, at, replace);
  };
  if (Array.isArray(value)) return value.map((part, i) => next(part, String(i)) ?? null);
  const parts = Object.entries(value).map(([key, part]) => [key, next(part, key)] as const);
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
}

function isMarked(node: Node): boolean {
  return node.sensitive === true || node.format === 'password' || node.writeOnly === true;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entries(value: unknown): [string, unknown][] {
  return isNode(value) ? Object.entries(value) : [];
}
