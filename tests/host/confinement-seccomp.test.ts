import { expect, test } from 'bun:test';
import { type Architecture, HOST_RULES, seccompProgram } from '../../src/host/seccomp.ts';
import { FILE_CALLS, INSPECTED_CALLS, PROCESS_CALLS, SOCKET_CALLS } from '../../src/host/syscalls.ts';

const AUDIT = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;
const [ALLOW, KILL, EPERM, EACCES, ENOSYS] = [0x7fff_0000, 0x8000_0000, 0x5_0001, 0x5_000d, 0x5_0026];

/** The process that the filter is for. */
const SELF = 4_711;

/** Runs the filter as the kernel would; args are the low words. */
function judge(arch: Architecture, number: number, args: readonly number[] = [], audit: number = AUDIT[arch]): number {
  const program = seccompProgram(arch, HOST_RULES, SELF);
  const code = new DataView(program.buffer);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, audit, true);
  for (const [at, value] of args.entries()) data.setUint32(16 + at * 8, value >>> 0, true);
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 8) {
    const value = code.getUint32(at + 4, true);
    const jump = (taken: boolean): void => {
      at += 8 * code.getUint8(at + (taken ? 2 : 3));
    };
    switch (code.getUint16(at, true)) {
      case 0x20:
        accumulator = data.getUint32(value, true);
        break;
      case 0x54:
        accumulator = (accumulator & value) >>> 0;
        break;
      case 0x15:
        jump(accumulator === value);
        break;
      case 0x25:
        jump(accumulator > value);
        break;
      case 0x45:
        jump((accumulator & value) !== 0);
        break;
      case 0x06:
        return value;
      default:
        throw new Error('an instruction that the kernel does not take');
    }
  }
  throw new Error('the filter has no end');
}

const ARCHITECTURES = ['x64', 'arm64'] as const;
const numberOf = (arch: Architecture, numbers: readonly [number, number | null]): number =>
  numbers[arch === 'x64' ? 0 : 1] ?? -1;

test.each(ARCHITECTURES)('on %s each call of the list is refused, and no other', (arch) => {
  const refused = new Set(
    HOST_RULES.refused.flatMap(([, calls]) => Object.values(calls).map((numbers) => numberOf(arch, numbers))),
  );
  const inspected = new Set(HOST_RULES.inspected.map(([numbers]) => numberOf(arch, numbers)));
  for (let number = 0; number <= 462; number++) {
    if (!inspected.has(number)) expect([number, judge(arch, number) !== ALLOW]).toEqual([number, refused.has(number)]);
  }
  expect(refused.size).toBeGreaterThan(100);
});

test.each(ARCHITECTURES)('on %s the errors are those of the kernel', (arch) => {
  expect(judge(arch, numberOf(arch, SOCKET_CALLS.socket))).toBe(EPERM);
  expect(judge(arch, numberOf(arch, PROCESS_CALLS.kill))).toBe(EPERM);
  expect(judge(arch, numberOf(arch, FILE_CALLS.unlinkat))).toBe(EACCES);
  expect(judge(arch, 435)).toBe(ENOSYS);
});

test('another architecture ends the process; x32 and later calls do not exist', () => {
  expect(judge('x64', 1, [], 0x4000_0003)).toBe(KILL);
  expect(judge('x64', 1, [], AUDIT.arm64)).toBe(KILL);
  expect(judge('x64', 0x4000_0000 | 41)).toBe(ENOSYS);
  expect(judge('x64', 463)).toBe(ENOSYS);
  expect(judge('arm64', 9_999)).toBe(ENOSYS);
});

test.each(ARCHITECTURES)('on %s threads may be made, processes and namespaces not', (arch) => {
  const clone = numberOf(arch, INSPECTED_CALLS.clone);
  // What glibc's pthread_create asks for.
  expect(judge(arch, clone, [0x3d_0f00])).toBe(ALLOW);
  expect(judge(arch, clone, [0x120_0011])).toBe(EPERM);
  expect(judge(arch, clone, [0x3d_0f00 | 0x1000_0000])).toBe(EPERM);
  expect(judge(arch, clone, [0x2_0000])).toBe(EPERM);
});

test.each([
  ['reading', 0, ALLOW],
  ['reading a folder, closed on exec', 0o2200000, ALLOW],
  ['writing', 1, EACCES],
  ['reading and writing', 2, EACCES],
  ['making', 0o100, EACCES],
  ['emptying', 0o1000, EACCES],
  ['a nameless file', 0o20200000, EACCES],
])('files are opened for %s: the filter answers %#', (_what, flags, answer) => {
  expect(judge('x64', INSPECTED_CALLS.openat[0], [0, 0, flags])).toBe(answer);
  expect(judge('arm64', INSPECTED_CALLS.openat[1], [0, 0, flags])).toBe(answer);
  expect(judge('x64', INSPECTED_CALLS.open[0], [0, flags])).toBe(answer);
});

test('limits are its own, signals are not sent by descriptors, the tie to the core stays', () => {
  const [prlimit, fcntl, ioctl, prctl] = [302, 72, 16, 157];
  expect(judge('x64', prlimit, [0])).toBe(ALLOW);
  expect(judge('x64', prlimit, [4321])).toBe(EPERM);
  expect([0, 1, 2, 3, 4].map((command) => judge('x64', fcntl, [3, command]))).toEqual(Array(5).fill(ALLOW));
  expect([8, 10, 15].map((command) => judge('x64', fcntl, [3, command]))).toEqual(Array(3).fill(EPERM));
  expect(judge('x64', ioctl, [0, 0x5421])).toBe(ALLOW);
  expect([0x5412, 0x541c, 0x8901, 0x8902].map((request) => judge('x64', ioctl, [0, request]))).toEqual(
    Array(4).fill(EPERM),
  );
  expect([15, 38, 0x5356_4d41].map((option) => judge('x64', prctl, [option]))).toEqual(Array(3).fill(ALLOW));
  expect([1, 35, 0x5961_6d61].map((option) => judge('x64', prctl, [option]))).toEqual(Array(3).fill(EPERM));
});

test.each(ARCHITECTURES)('on %s a process asks its own threads where they are, and signals nothing else', (arch) => {
  const tgkill = numberOf(arch, INSPECTED_CALLS.tgkill);
  const [SIGABRT, SIGKILL, SIGPROF] = [6, 9, 27];
  expect(judge(arch, tgkill, [SELF, 4_712, SIGPROF])).toBe(ALLOW);
  for (const signal of [0, SIGABRT, SIGKILL]) expect(judge(arch, tgkill, [SELF, SELF, signal])).toBe(EPERM);
  for (const other of [0, 1, SELF + 1, -1]) expect(judge(arch, tgkill, [other, other, SIGPROF])).toBe(EPERM);
});
