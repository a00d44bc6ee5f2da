/**
 * The launcher in Node, for a container without Bun: `node agent-lockdown.ts <JSON of Lockdown>` locks its process in and
 * becomes the command (src/host/lock-in.ts).
 */
import { type Kernel, type Lockdown, lockIn } from '../src/host/lock-in.ts';

/** What is used of node:ffi, which is experimental in Node 26 and has no published types yet. */
interface Ffi {
  dlopen(
    library: string,
    functions: Readonly<Record<string, { arguments: readonly string[]; return: string }>>,
  ): { functions: Readonly<Record<string, (...args: readonly bigint[]) => bigint>> };
  getRawPointer(memory: NodeJS.TypedArray): bigint;
  getInt32(address: bigint, offset: number): number;
}

const WORDS = 5;

const ffi = process.getBuiltinModule('node:ffi') as unknown as Ffi;
const { functions } = ffi.dlopen('libc.so.6', {
  syscall: { arguments: Array.from({ length: 1 + WORDS }, () => 'i64'), return: 'i64' },
  __errno_location: { arguments: [], return: 'pointer' },
});

const kernel: Kernel = {
  syscall(number, words) {
    const padded = Array.from({ length: WORDS }, (_, at) => BigInt(words[at] ?? 0));
    const answer = Number(functions.syscall?.(BigInt(number), ...padded));
    if (answer !== -1) return answer;
    return -ffi.getInt32(functions.__errno_location?.() ?? 0n, 0);
  },
  addressOf: (memory) => Number(ffi.getRawPointer(memory)),
};

try {
  lockIn(kernel, JSON.parse(process.argv[2] ?? '') as Lockdown);
} catch (error) {
  console.error(`the lockdown failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(126);
}
