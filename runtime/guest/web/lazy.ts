import { ObjectDefineProperty } from './intrinsics.ts';

/** Defines a global as browsers do for interfaces: writable, configurable, not enumerable. */
export function defineGlobal(name: string, value: unknown): void {
  ObjectDefineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

/** Gives a class the name that a minifier took from it. */
export function named<T extends object>(name: string, value: T): T {
  ObjectDefineProperty(value, 'name', { value: name, writable: false, enumerable: false, configurable: true });
  return value;
}

/** Defines a class as a global under its public name. */
export function defineClass(name: string, value: object): void {
  defineGlobal(name, named(name, value));
}

/**
 * Defines globals whose module is evaluated at the first touch of any of them; each then becomes a plain property.
 * Assigning before that replaces the one assigned, as with an ordinary global.
 */
export function defineLazy(names: readonly string[], load: () => Readonly<Record<string, unknown>>): void {
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    ObjectDefineProperty(globalThis, name, {
      enumerable: false,
      configurable: true,
      get() {
        const value = load()[name];
        if (typeof value === 'function') named(name, value);
        defineGlobal(name, value);
        return value;
      },
      set(value) {
        defineGlobal(name, value);
      },
    });
  }
}

/** Sets `Symbol.toStringTag` of a prototype, as Web IDL does. */
export function tag(prototype: object, name: string): void {
  ObjectDefineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
}
