/** What is used of node:ffi, which is experimental in Node 26 and has no published types yet. */
interface Ffi {
  dlopen(
    library: null,
    functions: Readonly<Record<string, { arguments: readonly string[]; return: string }>>,
  ): { functions: Readonly<Record<string, (...args: readonly (number | bigint)[]) => bigint>> };
  toArrayBuffer(address: bigint, bytes: number, copy: boolean): ArrayBuffer;
}

const READ_AND_WRITE = 3;
const SHARED = 1;
/** What mmap answers when it fails: -1, as an address. */
const FAILED = 2n ** 64n - 1n;

/**
 * Maps the beginning of an inherited file, so that a note in it costs a store and no system call. Gives up the right to
 * call foreign functions, which nothing else needs.
 *
 * @returns null where that cannot be had
 */
export function mapFile(descriptor: number, bytes: number): ArrayBuffer | null {
  try {
    const ffi = process.getBuiltinModule('node:ffi') as unknown as Ffi;
    const { functions } = ffi.dlopen(null, {
      mmap: { arguments: ['pointer', 'uint64', 'int32', 'int32', 'int32', 'int64'], return: 'pointer' },
    });
    const address = functions.mmap?.(0n, BigInt(bytes), READ_AND_WRITE, SHARED, descriptor, 0n) ?? FAILED;
    return address === FAILED ? null : ffi.toArrayBuffer(address, bytes, false);
  } catch {
    return null;
  } finally {
    (process as { permission?: { drop?: (scope: string) => void } }).permission?.drop?.('ffi');
  }
}
