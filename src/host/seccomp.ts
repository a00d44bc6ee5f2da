import {
  FILE_CALLS,
  IDENTITY_CALLS,
  INSPECTED_CALLS,
  KERNEL_CALLS,
  NAMESPACE_CALLS,
  type Numbers,
  PROCESS_CALLS,
  SOCKET_CALLS,
  SYSV_CALLS,
  UNINSPECTABLE_CALLS,
} from './syscalls.ts';

/** The architectures for which there is a filter, with AUDIT_ARCH_* of <linux/audit.h>. */
const ARCHITECTURES = { x64: { audit: 0xc000_003e, column: 0 }, arm64: { audit: 0xc000_00b7, column: 1 } } as const;
export type Architecture = keyof typeof ARCHITECTURES;

const ERRNO = { EPERM: 1, EACCES: 13, ENOSYS: 38 } as const;
type Errno = keyof typeof ERRNO;

/** Classic BPF (<linux/bpf_common.h>) and what a filter answers (<linux/seccomp.h>). */
const OP = { load: 0x20, jumpIfEqual: 0x15, jumpIfGreater: 0x25, jumpIfAny: 0x45, and: 0x54, answer: 0x06 } as const;
const ANSWER = { kill: 0x8000_0000, errno: 0x0005_0000, allow: 0x7fff_0000 } as const;
/** Offsets in `struct seccomp_data`: the number, the architecture, the low words of six arguments. */
const OFFSET = { number: 0, architecture: 4, arguments: 16, argumentBytes: 8 } as const;

/** The last call of Linux 6.10 (`mseal`). Later ones are unknown here, and for the process they do not exist. */
const LAST_KNOWN = 462;

/** Refuses a call by one of its arguments; all are 32 bits in the kernel's own eyes. */
type Condition = {
  readonly argument: number;
  readonly errno: Errno;
} & (
  | { readonly anyBit: number }
  | { readonly oneOf: readonly number[] }
  | { readonly masked: number; readonly isNot: number }
  /** Refused but for this signal, from the process to itself. */
  | { readonly signalToSelf: number }
);

/** A filter in words. */
export interface Rules {
  readonly refused: readonly (readonly [errno: Errno, calls: Readonly<Record<string, Numbers>>])[];
  readonly inspected: readonly (readonly [numbers: Numbers, condition: Condition])[];
  /** Whether calls that came after `LAST_KNOWN` are refused as well. */
  readonly closed: boolean;
}

// <linux/sched.h>: CLONE_THREAD, and every CLONE_NEW* that `clone` takes.
const CLONE_THREAD = 0x1_0000;
const CLONE_NEW = 0x7e02_0000;
// <asm-generic/fcntl.h>: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, __O_TMPFILE.
const OPEN_TO_CHANGE = 0x3 | 0x40 | 0x200 | 0x40_0000;
// <asm-generic/fcntl.h>: F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal of any number to any process of the same user.
const SIGNAL_BY_DESCRIPTOR = [8, 10, 15];
// TIOCSTI, TIOCLINUX (typing for others), FIOSETOWN, SIOCSPGRP (as above).
const IOCTLS = [0x5412, 0x541c, 0x8901, 0x8902];
// PR_SET_PDEATHSIG (it would outlive the core), PR_SET_MM, PR_SET_PTRACER.
const PRCTLS = [1, 35, 0x5961_6d61];
// <asm-generic/signal.h>
const SIGPROF = 27;
const NEVER_ZERO = { argument: 0, masked: 0xffff_ffff, isNot: 0, errno: 'EPERM' } as const;

/**
 * What an isolate host may not ask of the kernel; everything else it may. `execve` stays: bubblewrap and the launcher
 * start Node with it when the filter is on. It replaces the process, and adds none.
 */
export const HOST_RULES: Rules = {
  refused: [
    ['EPERM', SOCKET_CALLS],
    ['EPERM', PROCESS_CALLS],
    ['EPERM', SYSV_CALLS],
    ['EPERM', IDENTITY_CALLS],
    ['EPERM', NAMESPACE_CALLS],
    ['EPERM', KERNEL_CALLS],
    ['EACCES', FILE_CALLS],
    ['ENOSYS', UNINSPECTABLE_CALLS],
  ],
  inspected: [
    // Threads of its own, and nothing else.
    [INSPECTED_CALLS.clone, { argument: 0, masked: CLONE_THREAD | CLONE_NEW, isNot: CLONE_THREAD, errno: 'EPERM' }],
    [INSPECTED_CALLS.open, { argument: 1, anyBit: OPEN_TO_CHANGE, errno: 'EACCES' }],
    [INSPECTED_CALLS.openat, { argument: 2, anyBit: OPEN_TO_CHANGE, errno: 'EACCES' }],
    // Its own limits only: RLIMIT_CPU on another process of the same user ends it.
    [INSPECTED_CALLS.prlimit64, NEVER_ZERO],
    [INSPECTED_CALLS.fcntl, { argument: 1, oneOf: SIGNAL_BY_DESCRIPTOR, errno: 'EPERM' }],
    [INSPECTED_CALLS.ioctl, { argument: 1, oneOf: IOCTLS, errno: 'EPERM' }],
    [INSPECTED_CALLS.prctl, { argument: 0, oneOf: PRCTLS, errno: 'EPERM' }],
    // V8's sampling profiler asks its own threads where they are.
    [INSPECTED_CALLS.tgkill, { argument: 0, signalToSelf: SIGPROF, errno: 'EPERM' }],
  ],
  closed: true,
};

/** No process has this id. */
const NOBODY = 0;

/** The kind of this machine; null when there is no filter for it. */
export function filterArchitecture(): Architecture | null {
  const { platform, arch } = process;
  return platform === 'linux' && (arch === 'x64' || arch === 'arm64') ? arch : null;
}

/**
 * The filter as the kernel takes it (seccomp(2), SECCOMP_SET_MODE_FILTER): `struct sock_filter` after `struct
 * sock_filter`, 8 bytes each, little-endian. A call of another architecture ends the process; one of x32 is unknown.
 *
 * @param self id, as it sees it itself, of the process that the filter is for
 */
export function seccompProgram(architecture: Architecture, rules: Rules = HOST_RULES, self = NOBODY): Uint8Array {
  const { audit, column } = ARCHITECTURES[architecture];
  const code: Instruction[] = [
    [OP.load, 0, 0, OFFSET.architecture],
    [OP.jumpIfEqual, 1, 0, audit],
    [OP.answer, 0, 0, ANSWER.kill],
    [OP.load, 0, 0, OFFSET.number],
  ];
  // The bit of x32 (0x4000_0000) is above every number that is known.
  if (rules.closed) code.push([OP.jumpIfGreater, 0, 1, LAST_KNOWN], refuse('ENOSYS'));
  for (const [errno, calls] of rules.refused) {
    for (const numbers of Object.values(calls)) {
      const number = numbers[column];
      if (number !== null) code.push([OP.jumpIfEqual, 0, 1, number], refuse(errno));
    }
  }
  for (const [numbers, condition] of rules.inspected) {
    const number = numbers[column];
    if (number === null) continue;
    const body = inspect(condition, self);
    code.push([OP.jumpIfEqual, 0, body.length, number], ...body);
  }
  code.push([OP.answer, 0, 0, ANSWER.allow]);
  return assemble(code);
}

type Instruction = readonly [op: number, ifTrue: number, ifFalse: number, value: number];

const refuse = (errno: Errno): Instruction => [OP.answer, 0, 0, ANSWER.errno | ERRNO[errno]];

/** Ends in an answer either way: what was loaded is not the number any more. */
function inspect(condition: Condition, self: number): Instruction[] {
  const load: Instruction = [OP.load, 0, 0, OFFSET.arguments + condition.argument * OFFSET.argumentBytes];
  const end: Instruction[] = [refuse(condition.errno), [OP.answer, 0, 0, ANSWER.allow]];
  if ('anyBit' in condition) return [load, [OP.jumpIfAny, 0, 1, condition.anyBit], ...end];
  if ('masked' in condition) {
    return [load, [OP.and, 0, 0, condition.masked], [OP.jumpIfEqual, 1, 0, condition.isNot], ...end];
  }
  if ('signalToSelf' in condition) {
    const signal: Instruction = [OP.load, 0, 0, OFFSET.arguments + 2 * OFFSET.argumentBytes];
    return [load, [OP.jumpIfEqual, 0, 2, self], signal, [OP.jumpIfEqual, 1, 0, condition.signalToSelf], ...end];
  }
  const { oneOf } = condition;
  // A hit skips the comparisons that are left and the last one's jump over the refusal.
  const tests = oneOf.map((value, at): Instruction => {
    const last = at === oneOf.length - 1;
    return [OP.jumpIfEqual, last ? 0 : oneOf.length - 1 - at, last ? 1 : 0, value];
  });
  return [load, ...tests, ...end];
}

function assemble(code: readonly Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(code.length * 8));
  for (const [at, [op, ifTrue, ifFalse, value]] of code.entries()) {
    view.setUint16(at * 8, op, true);
    view.setUint8(at * 8 + 2, ifTrue);
    view.setUint8(at * 8 + 3, ifFalse);
    view.setUint32(at * 8 + 4, value >>> 0, true);
  }
  return new Uint8Array(view.buffer);
}
