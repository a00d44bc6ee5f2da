import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { isDeeper } from '../schema/guard.ts';
import { SCHEMA_LIMITS } from '../schema/limits.ts';
import { below } from '../schema/pointer.ts';
import { MASK } from '../secrets/redact.ts';
import { isField, pathsInside, replaceSensitive, type SensitivePath } from './config-sensitive.ts';

/** For API answers: each sensitive field that is set becomes `********`. */
export function maskSensitive(value: unknown, paths: readonly SensitivePath[]): unknown {
  return replaceSensitive(value, paths, (field) => (field === '' || field === null ? field : MASK));
}

/**
 * For changes by an admin who saw `maskSensitive`: `********` in a sensitive field means what is stored there, or nothing.
 * Items of a list are known again by all that can be seen of them, so that a secret stays with its item when others come,
 * go or move; where that cannot be told, it is an issue: a secret must not go to another's address.
 */
export function keepMasked(
  input: unknown,
  stored: unknown,
  paths: readonly SensitivePath[],
): { readonly value: unknown; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  // No check accepts it, and here it is not to be walked through.
  if (isDeeper(input, SCHEMA_LIMITS.valueDepth)) return { value: input, issues };

  const keep = (value: unknown, before: unknown, inside: readonly SensitivePath[], at: string): unknown => {
    if (isField(inside)) return value === MASK ? before : value;
    if (inside.length === 0 || typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      const partners = partnersOf(value, Array.isArray(before) ? before : [], inside);
      return value.map((item, i) => {
        const partner = partners[i];
        if (partner !== undefined)
          return keep(item, partner.item, pathsInside(inside, String(i)), below(at, i)) ?? null;
        issues.push({
          pointer: below(at, i),
          message: 'which of the stored secrets it has cannot be told: enter it again',
        });
        return item;
      });
    }
    const parts = Object.entries(value).map(([key, part]) => [
      key,
      keep(part, own(before, key), pathsInside(inside, key), below(at, key)),
    ]);
    return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
  };

  return { value: keep(input, stored, paths, ''), issues };
}

interface Partner {
  readonly item: unknown;
}

/** For each item the stored one that it was; undefined where that matters and cannot be told. */
function partnersOf(
  items: readonly unknown[],
  stored: readonly unknown[],
  paths: readonly SensitivePath[],
): (Partner | undefined)[] {
  const partners: (Partner | undefined)[] = items.map(() => undefined);
  const left = new Set(stored.keys());
  const shown = (item: unknown, i: number): string => JSON.stringify(maskSensitive([item], atIndex(paths, i)));
  const masked = [...items.keys()].filter((i) => isMasked(items[i], pathsInside(paths, String(i))));
  for (const i of items.keys()) if (!masked.includes(i)) partners[i] = { item: undefined };

  // Those that look as they did, when as many look so.
  const groups = Map.groupBy(masked, (i) => shown(items[i], i));
  const storedGroups = Map.groupBy(stored.keys(), (i) => shown(stored[i], i));
  for (const [look, wanted] of groups) {
    const found = storedGroups.get(look) ?? [];
    if (found.length !== wanted.length) continue;
    for (const [n, i] of wanted.entries()) {
      const j = found[n] as number;
      partners[i] = { item: stored[j] };
      left.delete(j);
    }
  }
  // Those that were changed: in the same place of a list as long, or the only one.
  const open = masked.filter((i) => partners[i] === undefined);
  for (const i of open) {
    const j =
      items.length === stored.length && left.has(i) ? i : open.length === 1 && left.size <= 1 ? [...left][0] : null;
    if (j === null) continue;
    partners[i] = { item: j === undefined ? undefined : stored[j] };
    if (j !== undefined) left.delete(j);
  }
  return partners;
}

/** The paths of the item number `i`, for a list that has only that. */
function atIndex(paths: readonly SensitivePath[], i: number): SensitivePath[] {
  return pathsInside(paths, String(i)).map((path) => [() => true, ...path]);
}

function isMasked(value: unknown, paths: readonly SensitivePath[]): boolean {
  if (isField(paths)) return value === MASK;
  let found = false;
  replaceSensitive(value, paths, (field) => {
    found ||= field === MASK;
    return field;
  });
  return found;
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
