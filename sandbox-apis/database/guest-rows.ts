import type { DatabaseEnv } from './guest.ts';
import { createDecoders, type Decoder } from './guest-decode.ts';
import { property } from './guest-property.ts';
import type { Column, Row } from './service.ts';

/** Makes an object of a row. */
export type RowMaker = (row: Row) => Record<string, unknown>;

/**
 * Makes row makers for the columns of a result. Each row is a copy of one object that has all columns, so that a name
 * such as `__proto__`, or one for which somebody put a setter on Object.prototype, is a property like any other.
 */
export function createRows(env: DatabaseEnv): (columns: readonly Column[]) => RowMaker {
  const decoderOf = createDecoders(env);
  const { defineProperty, hasOwn } = env;

  return (columns) => {
    const shape: Record<string, unknown> = {};
    const decoders: (Decoder | null)[] = [];
    for (let at = 0; at < columns.length; at += 1) {
      const column = columns[at] as Column;
      defineProperty(shape, column.name, property(null));
      const decoder = decoderOf(column.type, hasOwn(column, 'element') ? column.element : undefined);
      defineProperty(decoders, at, property(decoder));
    }
    return (row) => {
      const out = { ...shape };
      for (let at = 0; at < columns.length; at += 1) {
        const text = row[at] as string | null;
        const decode = decoders[at] as Decoder | null;
        out[(columns[at] as Column).name] = text === null || decode === null ? text : decode(text);
      }
      return out;
    };
  };
}
