/** Calls in turn, on both sides: the bench imports this file, and the fixture that makes calls carries a copy of it. */

/** Keys and rows that the calls go round. */
export const KEYS = 200;

/** Makes `total` calls, `atOnce` of them at a time. Answers the milliseconds that they took. */
export async function repeat(total: number, atOnce: number, call: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) {
      next += 1;
      await call(next);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  return performance.now() - begun;
}
