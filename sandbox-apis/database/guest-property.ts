/**
 * The descriptor of an ordinary property. What is defined by it is there whatever somebody put on the prototypes of
 * objects and arrays, where an assignment would find a setter; the descriptor itself has no prototype for that reason.
 */
export function property(value: unknown): PropertyDescriptor {
  return { __proto__: null, value, writable: true, enumerable: true, configurable: true } as PropertyDescriptor;
}
