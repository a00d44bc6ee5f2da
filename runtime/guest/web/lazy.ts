import { ObjectDefineProperty } from './intrinsics.ts';

// Descriptors have no prototype: a `get` on Object.prototype would make them invalid.

/** Defines a global as browsers do for interfaces: writable, configurable, not enumerable. */
export function defineGlobal(name: string, value: unknown): void {
  ObjectDefineProperty(globalThis, name, {
    __proto__: null,
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** Gives a class the name that a minifier took from it. */
export function named<T extends object>(name: string, value: T): T {
  ObjectDefineProperty(value, 'name', {
    __proto__: null,
    value: name,
    writable: false,
    enumerable: false,
    configurable: true,
  });
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
      __proto__: null,
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
  ObjectDefineProperty(prototype, Symbol.toStringTag, { __proto__: null, value: name, configurable: true });
}
