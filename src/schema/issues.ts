import type { ErrorObject } from 'ajv';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { SCHEMA_LIMITS } from './limits.ts';
import { below } from './pointer.ts';

const SHOWN_VALUES = 20;

/** What Ajv found, each with the pointer of the value that is wrong or missing; the checked values are never shown. */
export function toIssues(errors: readonly ErrorObject[]): Issue[] {
  const seen = new Map<string, Issue>();
  for (const error of errors) {
    const issue = toIssue(error);
    seen.set(`${issue.pointer}\0${issue.message}`, issue);
    if (seen.size >= SCHEMA_LIMITS.issues) break;
  }
  return [...seen.values()];
}

function toIssue({ instancePath, keyword, params, message }: ErrorObject): Issue {
  const text = (key: string) => String((params as Record<string, unknown>)[key]).slice(0, 200);
  switch (keyword) {
    case 'required':
      return { pointer: below(instancePath, text('missingProperty')), message: 'is required' };
    case 'additionalProperties':
      return { pointer: below(instancePath, text('additionalProperty')), message: 'is not a known field' };
    case 'unevaluatedProperties':
      return { pointer: below(instancePath, text('unevaluatedProperty')), message: 'is not a known field' };
    case 'propertyNames':
      return { pointer: below(instancePath, text('propertyName')), message: 'is not a valid name' };
    case 'enum':
      return {
        pointer: instancePath,
        message: `must be one of ${listed((params as { allowedValues: unknown[] }).allowedValues)}`,
      };
    case 'const':
      return {
        pointer: instancePath,
        message: `must be ${listed([(params as { allowedValue: unknown }).allowedValue])}`,
      };
    default:
      return { pointer: instancePath, message: message ?? `breaks "${keyword}"` };
  }
}

function listed(values: readonly unknown[]): string {
  const shown = values.slice(0, SHOWN_VALUES).map((value) => JSON.stringify(value).slice(0, 100));
  return values.length > SHOWN_VALUES
    ? `${shown.join(', ')} and ${values.length - SHOWN_VALUES} more`
    : shown.join(', ');
}
