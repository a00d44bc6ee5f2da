/**
 * Locks the calling process in, for good, and turns it into a command. It holds without namespaces and without root: no
 * privilege, no file but the code, no socket, no signal. Run by a launcher: src/host/lockdown.ts in Bun, or
 * runtime/agent-lockdown.ts in Node, where there is no Bun.
 */
import { openSync, readFileSync, statSync } from 'node:fs';
import { filterArchitecture, HOST_RULES, seccompProgram } from './seccomp.ts';
import { LOCK_CALLS } from './syscalls.ts';

/** What the process is bound to, and what it becomes. */
export interface Lockdown {
  readonly command: readonly string[];
  /** Process id of the one that started it: when that ends, so does this one. */
  readonly parent: number;
  /** The account to change to, as root; null keeps the present one. */
  readonly uid: number | null;
  /** Whether that account has to be let through folders that are closed to it; Landlock has to bound it then. */
  readonly through: boolean;
  readonly seccomp: boolean;
  /** All that may be read and executed, kept by Landlock; null sets no bounds. */
  readonly readable: readonly string[] | null;
}

/** How a launcher reaches the kernel. */
export interface Kernel {
  /** syscall(2) from the calling thread. Answers what it answers, or the errno as a negative number. */
  syscall(number: number, words: readonly number[]): number;
  /** Where memory is that does not move. */
  addressOf(memory: NodeJS.TypedArray): number;
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
const [SIGKILL, EBADF, EINVAL, O_PATH] = [9, 9, 22, 0x20_0000];
const [SET_MODE_FILTER, CLOSE_ON_EXEC, F_SETFD] = [1, 4, 2];
/** 0 to 3 are the host's; what the launcher has opened comes after. */
const FIRST_CLOSED = 4;

/**
 * Does not come back: the command has taken over the process.
 *
 * @throws Error with the call and its errno when a lock cannot be had: then nothing may be started
 */
export function lockIn(kernel: Kernel, to: Lockdown): void {
  const call = caller(kernel);
  const rules = to.readable === null ? null : fileRules(call, to.readable);
  dropPrivileges(call, to.uid, to.through);
  for (const [resource, most] of LIMITS) {
    call('prlimit64', [0, resource, new BigUint64Array([BigInt(most), BigInt(most)]), 0]);
  }
  // After the change of account, which would take it back.
  call('prctl', [PR.setPdeathsig, SIGKILL, 0, 0, 0]);
  if (call('getppid', []) !== to.parent) throw new Error('the one that started it has ended');
  if (rules !== null) call('landlock_restrict_self', [rules, 0]);
  call('close_range', [FIRST_CLOSED, 0xffff_ffff, CLOSE_ON_EXEC]);
  // Node closes what it inherited to those that it becomes.
  for (let own = 0; own < FIRST_CLOSED; own++) call('fcntl', [own, F_SETFD, 0], EBADF);
  if (to.seccomp) filterCalls(kernel, call);
  become(kernel, call, to.command);
}

type Call = (
  name: keyof typeof LOCK_CALLS,
  words: readonly (number | NodeJS.TypedArray)[],
  /** The errno that is no failure. */
  expected?: number,
) => number;

function caller(kernel: Kernel): Call {
  const column = process.arch === 'arm64' ? 1 : 0;
  return (name, words, expected = 0) => {
    const numbers = words.map((word) => (typeof word === 'number' ? word : kernel.addressOf(word)));
    const answer = kernel.syscall(LOCK_CALLS[name][column], numbers);
    if (answer >= 0 || answer === -expected) return answer;
    throw new Error(`${name} fails with errno ${-answer}`);
  };
}

/** Gives up all privileges, and the account of root. */
function dropPrivileges(call: Call, uid: number | null, through: boolean): void {
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
function fileRules(call: Call, readable: readonly string[]): number {
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

function filterCalls(kernel: Kernel, call: Call): void {
  const architecture = filterArchitecture();
  if (architecture === null) throw new Error('there is no filter for this architecture');
  // The command keeps the id of this process.
  const program = seccompProgram(architecture, HOST_RULES, process.pid);
  // struct sock_fprog: the number of instructions, and where they are.
  const header = new BigUint64Array([BigInt(program.length / 8), BigInt(kernel.addressOf(program))]);
  call('seccomp', [SET_MODE_FILTER, 0, header]);
}

function become(kernel: Kernel, call: Call, command: readonly string[]): void {
  const texts = command.map((word) => Buffer.from(`${word}\0`));
  const words = new BigUint64Array([...texts.map((text) => BigInt(kernel.addressOf(text))), 0n]);
  const environment = new BigUint64Array(1);
  const program = texts[0];
  if (program !== undefined) call('execve', [program, words, environment]);
}
