/** `true` when the two types are the same, and not only assignable to each other. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`: `expectType<Same<typeof value, string>>(true)`. */
export function expectType<Is extends boolean>(is: Is): Is {
  return is;
}
