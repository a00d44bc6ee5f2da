import { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor } from './intrinsics.ts';

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
 * Defines globals whose module is evaluated at the first touch of any of them; all of them then become plain properties.
 * Assigning before that replaces the one assigned, as with an ordinary global.
 */
export function defineLazy(names: readonly string[], load: () => Readonly<Record<string, unknown>>): void {
  const getters: (() => unknown)[] = [];
  const settle = (): void => {
    const values = load();
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      // What the guest put in its place, or took away, stays so.
      if (ObjectGetOwnPropertyDescriptor(globalThis, name)?.get !== getters[i]) continue;
      const value = values[name];
      defineGlobal(name, typeof value === 'function' ? named(name, value) : value);
    }
  };
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const get = (): unknown => {
      settle();
      return load()[name];
    };
    getters[i] = get;
    ObjectDefineProperty(globalThis, name, {
      __proto__: null,
      enumerable: false,
      configurable: true,
      get,
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
