import type { DatabaseEnv } from './guest.ts';
import { property } from './guest-property.ts';

type ArrayEnv = Pick<DatabaseEnv, 'defineProperty' | 'indexOf' | 'slice'>;

/**
 * Reads an array as Postgres writes it: `{1,NULL,"a \"b\""}`, nested, with its bounds in front when they do not begin at 1.
 *
 * @param item makes the value of an element; null when that stays text
 * @param comma what stands between elements: `;` for boxes, `,` for all else
 * @returns the array; the text itself when it is none
 */
export function readArray(
  env: ArrayEnv,
  text: string,
  item: ((text: string) => unknown) | null,
  comma: string,
): unknown {
  const { defineProperty, indexOf, slice } = env;
  let at = text[0] === '[' ? indexOf(text, '=') + 1 : 0;
  if (text[at] !== '{') return text;

  function bare(): unknown {
    const from = at;
    while (at < text.length && text[at] !== comma && text[at] !== '}') at += 1;
    const raw = slice(text, from, at);
    if (raw === 'NULL') return null;
    return item === null ? raw : item(raw);
  }

  function quoted(): unknown {
    let raw = '';
    at += 1;
    let from = at;
    while (at < text.length && text[at] !== '"') {
      if (text[at] === '\\') {
        raw += slice(text, from, at);
        at += 1;
        from = at;
      }
      at += 1;
    }
    raw += slice(text, from, at);
    at += 1;
    return item === null ? raw : item(raw);
  }

  function items(): unknown[] {
    const out: unknown[] = [];
    at += 1;
    while (at < text.length && text[at] !== '}') {
      const next = text[at] === '{' ? items() : text[at] === '"' ? quoted() : bare();
      defineProperty(out, out.length, property(next));
      if (text[at] === comma) at += 1;
    }
    at += 1;
    return out;
  }

  return items();
}
