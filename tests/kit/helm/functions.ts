import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { TemplateError } from './parse.ts';

/** A value of a template. Numbers are Go's float64, as values of a chart are; bigint is Go's int. */
export type Value = unknown;

/** Go's truth: false, zero, nothing, and what is empty are not. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function text(value: Value): string {
  if (typeof value === 'string') return value;
  throw new TemplateError(`${JSON.stringify(value)} where a text is expected`);
}

function whole(value: Value): bigint {
  if (typeof value === 'bigint') return value;
  throw new TemplateError(`${String(value)} where an int is expected: use \`int\``);
}

/** Go compares what is of one kind: not an int with a float64. */
function same(first: Value, second: Value): boolean {
  if (typeof first !== typeof second || !['string', 'bigint', 'number', 'boolean'].includes(typeof first)) {
    throw new TemplateError(`incompatible types for comparison: ${typeof first} and ${typeof second}`);
  }
  return first === second;
}

function indent(spaces: Value, lines: Value): string {
  const pad = ' '.repeat(Number(whole(spaces)));
  return pad + text(lines).replaceAll('\n', `\n${pad}`);
}

/** As sigs.k8s.io/yaml writes it, to a parser: keys sorted, no final newline. */
function toYaml(value: Value): string {
  return stringify(value, { sortMapEntries: true, lineWidth: 0 }).replace(/\n$/, '');
}

function printf(format: Value, values: readonly Value[]): string {
  const rest = [...values];
  const printed = text(format).replace(/%(.)/g, (_, verb: string) => {
    if (verb !== 's' || rest.length === 0) throw new TemplateError(`printf "${String(format)}" is not known here`);
    return text(rest.shift());
  });
  if (rest.length > 0) throw new TemplateError(`printf "${String(format)}" has too many arguments`);
  return printed;
}

type Functions = Readonly<Record<string, (...values: readonly Value[]) => Value>>;

/** Those of Go, Sprig and Helm that our chart uses; each as there, but stricter in what it takes. */
export const FUNCTIONS: Functions = {
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
  not: (value) => !isTrue(value),
  eq: (first, second) => same(first, second),
  ne: (first, second) => !same(first, second),
  gt: (first, second) => whole(first) > whole(second),
  int: (value) => {
    if (typeof value !== 'number') throw new TemplateError(`int of ${String(value)}`);
    return BigInt(Math.trunc(value));
  },
  printf: (format, ...values) => printf(format, values),
  default: (fallback, value) => (isTrue(value) ? value : fallback),
  quote: (value) => {
    if (!['string', 'number', 'bigint', 'boolean'].includes(typeof value))
      throw new TemplateError('quote of no scalar');
    const printed = String(value);
    if (!/^[\x20-\x7e]*$/.test(printed)) throw new TemplateError(`quote of ${JSON.stringify(printed)}`);
    return JSON.stringify(printed);
  },
  trunc: (length, value) => text(value).slice(0, Number(whole(length))),
  trimSuffix: (suffix, value) => {
    const end = text(suffix);
    return text(value).endsWith(end) ? text(value).slice(0, text(value).length - end.length) : value;
  },
  contains: (part, value) => text(value).includes(text(part)),
  replace: (from, to, value) => text(value).replaceAll(text(from), text(to)),
  sha256sum: (value) => createHash('sha256').update(text(value)).digest('hex'),
  toYaml,
  nindent: (spaces, value) => `\n${indent(spaces, value)}`,
  fail: (message) => {
    throw new TemplateError(text(message));
  },
};
