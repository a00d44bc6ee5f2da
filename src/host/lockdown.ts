/** The launcher in Bun, which is where the core is: `bun lockdown.ts <JSON of Lockdown>` (lock-in.ts). */
import { dlopen, FFIType, ptr, read } from 'bun:ffi';
import { type Kernel, type Lockdown, lockIn } from './lock-in.ts';

const { i64, ptr: pointer } = FFIType;
const libc = dlopen('libc.so.6', {
  syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 },
  __errno_location: { args: [], returns: pointer },
}).symbols;

const kernel: Kernel = {
  syscall(number, [a = 0, b = 0, c = 0, d = 0, e = 0]) {
    const answer = Number(libc.syscall(number, a, b, c, d, e));
    if (answer !== -1) return answer;
    const at = libc.__errno_location();
    return at === null ? answer : -read.i32(at, 0);
  },
  addressOf: (memory) => ptr(memory),
};

try {
  lockIn(kernel, JSON.parse(process.argv[2] ?? '') as Lockdown);
} catch (error) {
  console.error(`the lockdown failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(126);
}
