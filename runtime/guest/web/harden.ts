/**
 * Takes out of the isolate what isolated-vm does not count against its memory limit (ADVERSARY 1), and what has no use in
 * an isolate of one thread. To be called once, before any plugin code runs.
 *
 * - `SharedArrayBuffer`, `Atomics` and `WebAssembly` are removed: growable shared buffers and `WebAssembly.Memory` grow
 *   outside the limit. (WebAssembly with a capped memory is a later decision.)
 * - An `ArrayBuffer` is of fixed length: `maxByteLength` is not looked at and `resize` is gone.
 */
export function hardenGlobals(): void {
  for (const name of ['SharedArrayBuffer', 'Atomics', 'WebAssembly', 'ShadowRealm', 'gc']) {
    // A host that was started with --expose-gc gives each isolate a `gc` that cannot be deleted, only overwritten.
    if (!Reflect.deleteProperty(globalThis, name)) Reflect.set(globalThis, name, undefined);
  }
  fixArrayBuffers();
}

function fixArrayBuffers(): void {
  const Native = ArrayBuffer;
  const { prototype } = Native;
  const { construct, defineProperty, deleteProperty } = Reflect;
  const ownDescriptor = Reflect.getOwnPropertyDescriptor;
  const hidden = { writable: true, enumerable: false, configurable: true };

  // `construct` with the guest's new.target keeps subclasses working.
  const Fixed = function (this: unknown, length: unknown): ArrayBuffer {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    return construct(Native, [length], new.target as unknown as typeof Native) as ArrayBuffer;
  };
  defineProperty(Fixed, 'prototype', { value: prototype, writable: false, enumerable: false, configurable: false });
  defineProperty(Fixed, 'name', { value: 'ArrayBuffer', configurable: true });
  defineProperty(Fixed, 'isView', ownDescriptor(Native, 'isView') as PropertyDescriptor);
  defineProperty(Fixed, Symbol.species, ownDescriptor(Native, Symbol.species) as PropertyDescriptor);
  // The only other way to the native constructor.
  defineProperty(prototype, 'constructor', { value: Fixed, ...hidden });
  deleteProperty(prototype, 'resize');
  defineProperty(globalThis, 'ArrayBuffer', { value: Fixed, ...hidden });
}
