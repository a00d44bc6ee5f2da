import type { TSchema } from '@sinclair/typebox';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { Value } from '@sinclair/typebox/value';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { manifestSchema } from './manifest-schema.ts';

/** What the manifest's schema says against a value: one issue a place, in the author's words. */
export function schemaIssues(value: unknown): Issue[] {
  const issues = new Map<string, Issue>();
  for (const error of Value.Errors(manifestSchema, value)) {
    const pointer = error.path;
    // A missing key is reported again for having no value.
    if (!issues.has(pointer)) issues.set(pointer, { pointer, message: explain(error) });
  }
  return [...issues.values()];
}

function explain(error: ValueError): string {
  const hint = error.schema.hint as string | undefined;
  switch (error.type) {
    case ValueErrorType.ObjectAdditionalProperties: {
      const key = lastToken(error.path);
      const parent = parentSchema(error.path);
      const known = Object.keys(parent?.properties ?? {});
      if (known.length === 0) return `has an invalid name "${key}"`;
      const near = closest(key, known);
      return `unknown key "${key}"${near ? `; did you mean "${near}"?` : `; known are ${known.join(', ')}`}`;
    }
    case ValueErrorType.ObjectRequiredProperty:
      return `is required${error.schema.description ? `: ${error.schema.description}` : ''}`;
    case ValueErrorType.StringPattern:
    case ValueErrorType.Union:
      if (hint) return `must be ${hint}`;
      break;
    case ValueErrorType.ArrayUniqueItems:
      return 'has the same entry twice';
  }
  return error.message
    .replace(/^Expected \w+ to (be|match) /, 'must $1 ')
    .replace(/^Expected (?:string|array) length /, 'must have a length ')
    .replace(/^Expected /, 'must be ');
}

/** The schema of the object that holds the key at the pointer's end. */
function parentSchema(pointer: string): TSchema | undefined {
  let schema: TSchema | undefined = manifestSchema;
  for (const token of pointer.split('/').slice(1, -1)) schema = schema?.properties?.[token] ?? schema?.items;
  return schema;
}

function lastToken(pointer: string): string {
  return pointer
    .slice(pointer.lastIndexOf('/') + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~');
}

/** The known word that the fewest edits (Levenshtein) lead to, when they are few enough to be a slip. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  const scored = known.map((candidate) => ({
    candidate,
    edits: distance(word.toLowerCase(), candidate.toLowerCase()),
  }));
  scored.sort((a, b) => a.edits - b.edits);
  const [best] = scored;
  return best && best.edits <= limit ? best.candidate : undefined;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
