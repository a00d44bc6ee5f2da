import { ObjectDefineProperty, ObjectSetPrototypeOf } from './intrinsics.ts';

/** An empty list that inherits nothing: writing past its end runs no setter that a guest put on Array.prototype. */
export function bareList<T>(): T[] {
  return ObjectSetPrototypeOf([], null) as T[];
}

/** `push` for an ordinary array, with the same promise. */
export function append<T>(list: T[], item: T): void {
  ObjectDefineProperty(list, list.length, {
    __proto__: null,
    value: item,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** Takes one item out, in place. */
export function removeAt(list: unknown[], index: number): void {
  const last = list.length - 1;
  for (let i = index; i < last; i++) list[i] = list[i + 1];
  list.length = last;
}
