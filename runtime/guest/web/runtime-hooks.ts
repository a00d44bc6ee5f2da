import type { Primitives } from './install.ts';

/** What the bridge gave at boot; the parts of the web platform reach the host through it alone. */
let given: Primitives | null = null;

export function setPrimitives(primitives: Primitives): void {
  given = primitives;
}

/** @throws TypeError before `installWeb` has run. */
export function primitives(): Primitives {
  if (given === null) throw new TypeError('installWeb has not run');
  return given;
}
