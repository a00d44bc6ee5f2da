import { CodedError, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { MANIFEST_LIMITS } from './limits.ts';

/** A JSON Schema of an object, in the vocabulary that draft-07 and 2020-12 share. */
export interface JsonSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

type Fields = Record<string, unknown>;

const ROOT = '/configSchema';
const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

/**
 * Makes a JSON Schema of what a manifest gives as `configSchema`: a JSON Schema already, or a map of fields with
 * `required: true` on each field that must be there. The latter allows no other fields.
 * @param raw the parsed value of `configSchema`; undefined for a plugin that declares none: anything goes then
 * @throws CodedError `manifest_invalid` with `errors` (pointers from the manifest's root)
 */
export function normaliseConfigSchema(raw: unknown): JsonSchema {
  const issues: Issue[] = [];
  if (raw === undefined) return { type: 'object', properties: {} };
  const schema = convert(raw, issues);
  if (issues.length > 0) throw new CodedError('manifest_invalid', 'configSchema is not valid', { errors: issues });
  return schema;
}

function convert(raw: unknown, issues: Issue[]): JsonSchema {
  if (!isFields(raw)) {
    issues.push({ pointer: ROOT, message: 'must be an object: a JSON Schema, or a map of fields' });
    return { type: 'object', properties: {} };
  }
  checkReferences(raw, ROOT, issues);
  if (!isSchema(raw)) {
    const fields = normalise({ type: 'object', properties: raw }, ROOT, 0, issues, ROOT);
    return { ...fields, type: 'object', properties: fields.properties as Fields, additionalProperties: false };
  }
  if (raw.type !== undefined && raw.type !== 'object') {
    issues.push({ pointer: `${ROOT}/type`, message: 'must be "object": the configuration is an object' });
  }
  const schema = normalise(raw, ROOT, 0, issues);
  return { ...schema, type: 'object', properties: isFields(schema.properties) ? schema.properties : {} };
}

/** A map may have fields called `type` or `properties`: there they are objects, or hold the keywords of one field. */
function isSchema(raw: Fields): boolean {
  if (typeof raw.type === 'string' || typeof raw.$schema === 'string' || typeof raw.$ref === 'string') return true;
  return isFields(raw.properties) && typeof raw.properties.type !== 'string';
}

/** The schema with `required: true` of its fields made into its own list, at every level. */
function normalise(schema: Fields, at: string, depth: number, issues: Issue[], fieldsAt = `${at}/properties`): Fields {
  if (depth > MANIFEST_LIMITS.configDepth) {
    issues.push({ pointer: at, message: `is nested deeper than ${MANIFEST_LIMITS.configDepth} levels` });
    return {};
  }
  checkKeywords(schema, at, issues);
  const { required: ownRequired, ...result } = schema;
  const required = new Set<unknown>(Array.isArray(ownRequired) ? ownRequired : []);
  if (isFields(schema.properties)) {
    const fields = Object.entries(schema.properties);
    if (fields.length > MANIFEST_LIMITS.configFields) {
      issues.push({ pointer: fieldsAt, message: `has more than ${MANIFEST_LIMITS.configFields} fields` });
    }
    for (const [name, field] of fields) if (isFields(field) && field.required === true) required.add(name);
    result.properties = Object.fromEntries(
      fields.map(([name, field]) => [
        name,
        fieldSchema(field, `${fieldsAt}/${escapePointer(name)}`, depth + 1, issues),
      ]),
    );
  }
  if (isFields(schema.items)) result.items = normalise(schema.items, `${at}/items`, depth + 1, issues);
  if (required.size > 0) result.required = [...required];
  return result;
}

function fieldSchema(field: unknown, at: string, depth: number, issues: Issue[]): unknown {
  if (isFields(field)) return normalise(field, at, depth, issues);
  if (typeof field !== 'boolean') issues.push({ pointer: at, message: 'must be an object that describes the field' });
  return field;
}

function checkKeywords(schema: Fields, at: string, issues: Issue[]): void {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? 'object'];
  if (!types.every((type) => TYPES.includes(type))) {
    issues.push({ pointer: `${at}/type`, message: `must be one of ${TYPES.join(', ')}` });
  }
  if (schema.enum !== undefined && (!Array.isArray(schema.enum) || schema.enum.length === 0)) {
    issues.push({ pointer: `${at}/enum`, message: 'must be a list with at least one value' });
  }
  const { required } = schema;
  const isList = Array.isArray(required) && required.every((name) => typeof name === 'string');
  if (required !== undefined && typeof required !== 'boolean' && !isList) {
    issues.push({ pointer: `${at}/required`, message: 'must be true, false, or a list of field names' });
  }
}

/** A reference out of the schema would have to be fetched, or would reach another plugin's. */
function checkReferences(value: unknown, at: string, issues: Issue[]): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    const pointer = `${at}/${escapePointer(key)}`;
    if ((key === '$ref' || key === '$dynamicRef') && typeof child === 'string' && !child.startsWith('#')) {
      issues.push({ pointer, message: 'must stay inside the schema: it starts with "#"' });
    }
    checkReferences(child, pointer, issues);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One name as a token of a JSON pointer (RFC 6901). */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
