import { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ReflectOwnKeys } from '../intrinsics.ts';
import { named, tag } from '../lazy.ts';

/** Finishes a class as Web IDL has it: its members are enumerable, it has its public name, and its
 * objects say what they are. */
export function exposeInterface(Class: { readonly prototype: object }, name: string): void {
  const { prototype } = Class;
  for (const key of ReflectOwnKeys(prototype)) {
    const found = ObjectGetOwnPropertyDescriptor(prototype, key);
    if (key === 'constructor' || typeof key !== 'string' || found === undefined) continue;
    ObjectDefineProperty(prototype, key, { __proto__: null, ...found, enumerable: true });
  }
  named(name, Class);
  tag(prototype, name);
}
