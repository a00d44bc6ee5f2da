import { Kind, type TSchema } from '@sinclair/typebox';

/** A place in a schema that says too little, with why; `any JSON` where it says nothing. */
export interface Loose {
  readonly at: string;
  readonly why: string;
}

/** Everything in an input schema through which a guest could send more than somebody thought of. */
export function looseParts(schema: TSchema, at = ''): Loose[] {
  const loose = (why: string): Loose[] => [{ at, why }];
  if (schema[Kind] === 'Unknown' || schema[Kind] === 'Any') return loose('any JSON');
  if (Array.isArray(schema.anyOf)) return schema.anyOf.flatMap((part: TSchema) => looseParts(part, at));
  if (schema.const !== undefined) return [];
  switch (schema.type) {
    case 'null':
    case 'boolean':
    case 'number':
    case 'integer':
      return [];
    case 'string':
      return schema.maxLength !== undefined || isBounded(schema.pattern) ? [] : loose('a text of any length');
    case 'array':
      return [
        ...(schema.maxItems === undefined ? loose('a list of any length') : []),
        ...itemsOf(schema).flatMap((item) => looseParts(item, `${at}/*`)),
      ];
    case 'object':
      return looseObject(schema, at);
    default:
      return loose(`what the test does not know: ${JSON.stringify(schema)}`);
  }
}

function itemsOf({ items }: TSchema): TSchema[] {
  return items === undefined ? [] : Array.isArray(items) ? items : [items];
}

function looseObject(schema: TSchema, at: string): Loose[] {
  const named = Object.entries((schema.properties ?? {}) as Record<string, TSchema>);
  const patterned = Object.values((schema.patternProperties ?? {}) as Record<string, TSchema>);
  const record = patterned.length > 0;
  const found: Loose[] = [];
  if (!record && schema.additionalProperties !== false) found.push({ at, why: 'an object that is not closed' });
  return [
    ...found,
    ...named.flatMap(([name, part]) => looseParts(part, `${at}/${name}`)),
    ...patterned.flatMap((part) => looseParts(part, `${at}/*`)),
  ];
}

/** Whether an anchored pattern has only counted repetitions. */
function isBounded(pattern: unknown): boolean {
  if (typeof pattern !== 'string' || !pattern.startsWith('^') || !pattern.endsWith('$')) return false;
  const plain = pattern.replace(/\\./g, '').replace(/\[[^\]]*\]/g, '');
  return !/[*+]|\{\d+,\}/.test(plain);
}
