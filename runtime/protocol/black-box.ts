/**
 * What the isolate host notes of itself in descriptor 0, a small file of the core's: which isolates it is running. The core
 * reads it when the process is dead or silent, to know whom to blame. Words are u32, little endian: first the isolate on
 * the main thread, then those on the pool, 0 where there is none.
 */
export const BLACK_BOX = { bytes: 64, words: 16 } as const;

export interface BlackBoxReading {
  /** The isolate that the main thread is in, or null. */
  readonly main: number | null;
  readonly pool: readonly number[];
}

export function readBlackBox(bytes: Uint8Array): BlackBoxReading {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Array.from({ length: Math.floor(bytes.byteLength / 4) }, (_, at) => view.getUint32(at * 4, true));
  const [main = 0, ...pool] = words;
  return { main: main === 0 ? null : main, pool: pool.filter((id) => id !== 0) };
}
