/**
 * Locks its own process in, for good, and becomes the command that it is given: `bun lockdown.ts <JSON of Lockdown>`.
 * What it sets holds without namespaces and without root: no privilege, no file but the code, no socket, no signal.
 */
import { dlopen, FFIType, ptr, read } from 'bun:ffi';
import { openSync, readFileSync, statSync } from 'node:fs';
import { filterArchitecture, HOST_RULES, seccompProgram } from './seccomp.ts';
import { LOCK_CALLS } from './syscalls.ts';

/** What the process is bound to, and what it becomes. */
export interface Lockdown {
  readonly command: readonly string[];
  /** Process id of the core: when that ends, so does this one. */
  readonly parent: number;
  /** The account to change to, as root; null keeps the present one. */
  readonly uid: number | null;
  /** Whether that account has to be let through folders that are closed to it; Landlock has to bound it then. */
  readonly through: boolean;
  readonly seccomp: boolean;
  /** All that may be read and executed, kept by Landlock; null sets no bounds. */
  readonly readable: readonly string[] | null;
}

/** RLIMIT_FSIZE (the file that says who runs has 64 bytes), RLIMIT_CORE (it would hold secrets), RLIMIT_NOFILE. */
const LIMITS = [
  [1, 4_096],
  [4, 0],
  [7, 64],
] as const;
// <linux/prctl.h>
const PR = { setPdeathsig: 1, setKeepCaps: 8, dropBounding: 24, setNoNewPrivs: 38, ambient: 47 } as const;
const PR_CAP_AMBIENT_RAISE = 2;
// <linux/capability.h>: what reads and searches everything, else what passes by all file permissions.
const CAP = { dacOverride: 1, dacReadSearch: 2, lastPossible: 63, version3: 0x2008_0522 } as const;
// <linux/landlock.h>: the rights that each version of it knows, the first version's first.
const LANDLOCK = { execute: 1, readFile: 4, readFolder: 8, queryVersion: 1, pathBeneath: 1 } as const;
const LANDLOCK_FILES = [0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff];
const [SIGKILL, EINVAL, O_PATH] = [9, 22, 0x20_0000];
const [SET_MODE_FILTER, CLOSE_ON_EXEC] = [1, 4];
/** 0 to 3 are the host's; what Bun has opened comes after. */
const FIRST_CLOSED = 4;

const { i64, ptr: pointer } = FFIType;
const libc = dlopen('libc.so.6', {
  syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 },
  __errno_location: { args: [], returns: pointer },
}).symbols;

/** @throws Error with the errno, unless it is the expected one */
function call(name: keyof typeof LOCK_CALLS, words: readonly (number | NodeJS.TypedArray)[], expected = 0): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = words.map((word) => (typeof word === 'number' ? word : ptr(word)));
  const number = LOCK_CALLS[name][process.arch === 'arm64' ? 1 : 0];
  const answer = Number(libc.syscall(number, a, b, c, d, e));
  if (answer !== -1) return answer;
  const at = libc.__errno_location();
  const errno = at === null ? 0 : read.i32(at, 0);
  if (errno === expected) return -errno;
  throw new Error(`${name} fails with errno ${errno}`);
}

/** Gives up all privileges, and the account of root. */
function dropPrivileges(uid: number | null, through: boolean): void {
  const kept = uid !== null && through ? passCapability() : null;
  for (let capability = 0; uid !== null && capability <= CAP.lastPossible; capability++) {
    if (capability === kept) continue;
    if (call('prctl', [PR.dropBounding, capability, 0, 0, 0], EINVAL) !== 0) break;
  }
  if (kept !== null) call('prctl', [PR.setKeepCaps, 1, 0, 0, 0]);
  if (uid !== null) {
    call('setgroups', [0, 0]);
    call('setresgid', [uid, uid, uid]);
    call('setresuid', [uid, uid, uid]);
  }
  const bits = kept === null ? 0 : 1 << kept;
  // Two sets of effective, permitted, inheritable: capabilities 0-31 and 32-63.
  call('capset', [new Uint32Array([CAP.version3, 0]), new Uint32Array([bits, bits, bits, 0, 0, 0])]);
  if (kept !== null) call('prctl', [PR.ambient, PR_CAP_AMBIENT_RAISE, kept, 0, 0]);
  call('prctl', [PR.setNoNewPrivs, 1, 0, 0, 0]);
}

function passCapability(): number {
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const has = (capability: number) => ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
  return has(CAP.dacReadSearch) ? CAP.dacReadSearch : CAP.dacOverride;
}

/** Rules for what may be read; everything else, and the memory and environment of other processes, is closed then. */
function fileRules(readable: readonly string[]): number {
  const version = call('landlock_create_ruleset', [0, 0, LANDLOCK.queryVersion]);
  const files = LANDLOCK_FILES[Math.min(version, LANDLOCK_FILES.length) - 1] ?? 0;
  // Files; from version 4 on to bind and connect TCP; from 6 on abstract sockets and signals outside of here.
  const handled = new BigUint64Array([BigInt(files), 3n, 3n]);
  const rules = call('landlock_create_ruleset', [handled, version >= 6 ? 24 : version >= 4 ? 16 : 8, 0]);
  for (const path of readable) {
    const folder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
    if (folder === undefined) continue;
    const rule = new DataView(new ArrayBuffer(12));
    rule.setBigUint64(0, BigInt(LANDLOCK.execute | LANDLOCK.readFile | (folder ? LANDLOCK.readFolder : 0)), true);
    rule.setInt32(8, openSync(path, O_PATH), true);
    call('landlock_add_rule', [rules, LANDLOCK.pathBeneath, new Uint8Array(rule.buffer), 0]);
  }
  return rules;
}

function filterCalls(): void {
  const architecture = filterArchitecture();
  if (architecture === null) throw new Error('there is no filter for this architecture');
  // The command keeps the id of this process.
  const program = seccompProgram(architecture, HOST_RULES, process.pid);
  // struct sock_fprog: the number of instructions, and where they are.
  const header = new BigUint64Array([BigInt(program.length / 8), BigInt(ptr(program))]);
  call('seccomp', [SET_MODE_FILTER, 0, header]);
}

/** Does not come back: the command has taken over the process. */
function become(command: readonly string[]): void {
  const texts = command.map((word) => Buffer.from(`${word}\0`));
  const words = new BigUint64Array([...texts.map((text) => BigInt(ptr(text))), 0n]);
  const environment = new BigUint64Array(1);
  const program = texts[0];
  if (program !== undefined) call('execve', [program, words, environment]);
}

function lockIn(to: Lockdown): void {
  const rules = to.readable === null ? null : fileRules(to.readable);
  dropPrivileges(to.uid, to.through);
  for (const [resource, most] of LIMITS) {
    call('prlimit64', [0, resource, new BigUint64Array([BigInt(most), BigInt(most)]), 0]);
  }
  // After the change of account, which would take it back.
  call('prctl', [PR.setPdeathsig, SIGKILL, 0, 0, 0]);
  if (call('getppid', []) !== to.parent) throw new Error('the core has ended');
  if (rules !== null) call('landlock_restrict_self', [rules, 0]);
  call('close_range', [FIRST_CLOSED, 0xffff_ffff, CLOSE_ON_EXEC]);
  if (to.seccomp) filterCalls();
  become(to.command);
}

try {
  lockIn(JSON.parse(process.argv[2] ?? '') as Lockdown);
} catch (error) {
  console.error(`the lockdown failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(126);
}
