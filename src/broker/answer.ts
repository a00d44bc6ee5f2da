import type { TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import pLimit, { type LimitFunction } from 'p-limit';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { type CallContract, type Caller, COMMON_ERRORS } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError, type ErrorCode } from '../../sandbox-apis/_kit/errors.ts';
import { parseLimited } from '../host/decode.ts';
import type { Guest, GuestCall } from '../host/guest.ts';
import type { Log } from '../log.ts';
import type { Gate } from '../permissions/gate.ts';
import { NO_CAPABILITY } from '../plugins/meters.ts';
import type { PluginQuotas } from '../quotas/plugin-quotas.ts';
import { beginCall, describeInput, endCall, originOf } from '../telemetry/calls.ts';
import { enterScope, NO_SCOPE, newScope, type Scope } from '../telemetry/scope.ts';
import type { TraceSpan } from '../telemetry/span.ts';
import { CallTrail, type Step } from './call-trail.ts';
import type { Room } from './rooms.ts';

/** The core's record of who lives in an isolate: made before the isolate runs, never from what it says. */
export interface Resident {
  readonly plugin: string;
  readonly version: string;
  readonly grants: readonly string[];
}

export interface AnswerDeps {
  readonly log: Log;
  readonly gate: Gate;
  readonly residentOf: (isolate: number) => Resident | undefined;
  /** A call was refused by the gate: for the audit log. */
  readonly onDenied: (resident: Resident, call: string, error: CodedError) => void;
  readonly onCall: (plugin: string, room: string) => void;
  /** It was answered, or has no answer, after so many milliseconds. @param code of the error; null when it went well */
  readonly onCallEnd?: (plugin: string, room: string, ms: number, code: ErrorCode | null) => void;
  /** Whether calls are traced. */
  readonly traces?: boolean;
  readonly quotasOf: (plugin: string) => Pick<PluginQuotas, 'countCall' | 'beginCall' | 'endCall'>;
}

/** What calls take turns in: their own contract when that says how many run at a time, else the one of their room. */
type Queue = Pick<CallContract, 'atOnce'>;

interface Entry {
  readonly room: Room;
  readonly contract: CallContract;
  readonly queue: Queue;
  readonly key: string;
  readonly input: TypeCheck<TSchema>;
  readonly output: TypeCheck<TSchema>;
  readonly errors: ReadonlySet<ErrorCode>;
}

/** A call that is not answered yet. */
interface UnderWay {
  readonly entry: Entry;
  readonly controller: AbortController;
}

/** Answers guest calls: decodes under limits, checks the schema, asks the gate, keeps the deadline, runs the handler. */
export class Answerer {
  /** The last calls of each isolate; drop what is gone. */
  readonly trail = new CallTrail();
  readonly #deps: AnswerDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #inFlight = new Map<Guest, Map<number, UnderWay>>();
  readonly #turns = new WeakMap<Guest, Map<Queue, LimitFunction>>();

  constructor(rooms: readonly Room[], deps: AnswerDeps) {
    this.#deps = deps;
    for (const room of rooms) {
      for (const [key, contract] of Object.entries(room.contract.calls)) {
        if (!Object.hasOwn(room.handlers, key)) throw new Error(`${room.contract.name}.${key} has no handler`);
        this.#entries.set(JSON.stringify(`${room.contract.name}.${key}`), {
          room,
          contract,
          queue: contract.atOnce === undefined ? room.contract : contract,
          key,
          input: TypeCompiler.Compile(contract.input),
          output: TypeCompiler.Compile(contract.output),
          errors: new Set<ErrorCode>([...COMMON_ERRORS, ...contract.errors]),
        });
      }
    }
  }

  /** Takes one call; never throws, whatever the guest sent. */
  async onCall(guest: Guest, call: GuestCall): Promise<void> {
    const resident = this.#deps.residentOf(guest.id);
    if (resident === undefined) return;
    const calls = this.#callsOf(guest);
    const controller = new AbortController();
    const origin = this.#deps.traces === true ? originOf(guest, call) : null;
    const { name } = origin ?? call;
    const scope = origin === null ? null : origin.scope;
    const entry = this.#entries.get(name);
    const quotas = this.#deps.quotasOf(resident.plugin);
    const step = this.trail.begin(guest, name);
    const span = entry === undefined || entry.contract.oneway === true ? null : beginOf(entry, resident, scope);
    let failure: CodedError | null = null;
    let owner: Scope | null = null;
    try {
      if (!call.oneway && calls.has(call.id)) return;
      quotas.countCall(entry?.room.contract.name ?? NO_CAPABILITY);
      if (entry === undefined) throw new CodedError('unknown_call', `${name.slice(0, 100)} is not a call`);
      // Nobody counts those that are under way, so nothing else may come as one.
      if (call.oneway && entry.contract.oneway !== true) throw new CodedError('unknown_call', 'It has an answer');
      if (!call.oneway) {
        quotas.beginCall();
        calls.set(call.id, { entry, controller });
      }
      this.#deps.onCall(resident.plugin, entry.room.contract.name);
      const { atOnce } = entry.queue;
      owner = span === null ? scope : newScope(scope?.requestId ?? null, span);
      const work = () => this.#work(entry, guest, resident, call, controller, step, owner);
      const takesNoTurn = atOnce === undefined || entry.contract.outOfTurn === true;
      await (takesNoTurn ? work() : this.#turnsOf(guest, entry.queue, atOnce)(work));
    } catch (error) {
      const coded = this.#coded(error, entry, resident, controller.signal);
      failure = coded;
      step.end(coded.code);
      if (coded.code === 'permission_denied') {
        step.permission ??= String(coded.extra.permission);
        this.#deps.onDenied(resident, name, coded);
      }
      if (!call.oneway) guest.refuse(call.id, coded);
    } finally {
      step.end('dropped');
      const room = entry?.room.contract.name ?? NO_CAPABILITY;
      this.#deps.onCallEnd?.(resident.plugin, room, (step.ended ?? step.started) - step.started, failure?.code ?? null);
      if (calls.get(call.id)?.controller === controller) {
        calls.delete(call.id);
        quotas.endCall();
      }
      if (span !== null) {
        if (owner !== null) owner.isOver = true;
        endCall(span, step.permission, failure);
      }
    }
  }

  /** Calls of an isolate that are not answered yet. */
  underWay(guest: Guest): number {
    return this.#inFlight.get(guest)?.size ?? 0;
  }

  onCallAbort(guest: Guest, id: number): void {
    this.#inFlight.get(guest)?.get(id)?.controller.abort(new CodedError('aborted'));
  }

  /** The isolate is gone: what it waited for is given up. */
  onGone(guest: Guest): void {
    for (const { controller } of this.#inFlight.get(guest)?.values() ?? []) controller.abort(new CodedError('aborted'));
    this.#inFlight.delete(guest);
  }

  /** Ends what a plugin has under way in a room: calls (registrations go on) and streams, both with that error. */
  cut(plugin: string, room: string, error: CodedError): void {
    for (const [guest, calls] of this.#inFlight) {
      if (this.#deps.residentOf(guest.id)?.plugin !== plugin) continue;
      for (const { entry, controller } of calls.values()) {
        if (entry.room.contract.name === room && entry.contract.registers !== true) controller.abort(error);
      }
      guest.streams.cut(room, error);
    }
  }

  #callsOf(guest: Guest): Map<number, UnderWay> {
    let calls = this.#inFlight.get(guest);
    if (calls === undefined) {
      calls = new Map();
      this.#inFlight.set(guest, calls);
    }
    return calls;
  }

  #turnsOf(guest: Guest, queue: Queue, atOnce: number): LimitFunction {
    const queues = this.#turns.get(guest) ?? new Map<Queue, LimitFunction>();
    this.#turns.set(guest, queues);
    const turns = queues.get(queue) ?? pLimit(atOnce);
    queues.set(queue, turns);
    return turns;
  }

  /** Runs the handler and answers; its turn lasts until the answer is on its way. */
  async #work(
    entry: Entry,
    guest: Guest,
    resident: Resident,
    call: GuestCall,
    controller: AbortController,
    step: Step,
    scope: Scope | null,
  ) {
    controller.signal.throwIfAborted();
    const output = await this.#run(entry, guest, resident, call, controller, step, scope);
    step.end('ok');
    if (call.oneway) return;
    const text = encode(output);
    for (let congested = guest.congestion(); congested !== null; congested = guest.congestion()) await congested;
    guest.reply(call.id, text);
  }

  async #run(
    entry: Entry,
    guest: Guest,
    resident: Resident,
    call: GuestCall,
    controller: AbortController,
    step: Step,
    scope: Scope | null,
  ) {
    const { contract } = entry;
    const input = decodeInput(call.input, entry);
    step.permission = this.#deps.gate.check(entry.room.contract, contract, resident, input);
    const { signal } = controller;
    const capability = entry.room.contract.name;
    const caller: Caller = {
      plugin: resident.plugin,
      version: resident.version,
      isolate: guest.id,
      grants: resident.grants,
      signal,
      depth: guest.depth,
      sendStream: (stream) => guest.streams.send(stream, capability),
      receiveStream: (id) => guest.streams.receive(id, { capability }),
    };
    const handler = entry.room.handlers[entry.key];
    if (scope?.span != null) describeInput(scope.span, capability, input);
    const work = () => handler?.(caller, input);
    const answer = this.#deps.traces === true ? enterScope(scope ?? NO_SCOPE, work) : work();
    if (!(answer instanceof Promise)) return checkOutput(entry, answer);
    const timer = setTimeout(() => controller.abort(new CodedError('deadline_exceeded')), contract.deadlineMs);
    try {
      return checkOutput(entry, await Promise.race([answer, aborted(signal)]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Only the codes of the contract reach the guest; the rest is the core's own trouble and stays here. */
  #coded(error: unknown, entry: Entry | undefined, resident: Resident, signal: AbortSignal): CodedError {
    if (error instanceof CodedError && (entry === undefined || entry.errors.has(error.code))) return error;
    if (signal.aborted && signal.reason instanceof CodedError) return signal.reason;
    const errorId = crypto.randomUUID();
    const call = entry === undefined ? null : `${entry.room.contract.name}.${entry.key}`;
    this.#deps.log.error({ err: error, errorId, plugin: resident.plugin, call }, 'a guest call failed inside the core');
    return new CodedError('internal', `The call failed inside the core (error ${errorId})`, { errorId });
  }
}

function beginOf({ room, key }: Entry, { plugin }: Resident, scope: Scope | null): TraceSpan | null {
  return beginCall(scope, plugin, room.contract.name, key);
}

function decodeInput(bytes: Buffer, entry: Entry): unknown {
  if (bytes.length > CHANNEL_LIMITS.callBytes) {
    throw new CodedError('invalid_input', `The arguments are over ${CHANNEL_LIMITS.callBytes} bytes`);
  }
  const input = parseLimited(bytes.toString('utf8'));
  if (!entry.input.Check(input)) {
    const first = entry.input.Errors(input).First();
    const where = first === undefined || first.path === '' ? 'the arguments' : first.path.slice(1).replaceAll('/', '.');
    const { name } = entry.room.contract;
    throw new CodedError('invalid_input', `${name}.${entry.key}: ${where}: ${first?.message ?? 'not valid JSON'}`, {
      pointer: first?.path ?? '',
    });
  }
  return input;
}

/** A handler that breaks its own contract is a fault of the core. */
function checkOutput(entry: Entry, output: unknown): unknown {
  if (!entry.output.Check(output)) {
    const first = entry.output.Errors(output).First();
    throw new Error(
      `${entry.room.contract.name}.${entry.key} answered what its contract does not allow: ${first?.path}`,
    );
  }
  return output;
}

function encode(output: unknown): string {
  const text = JSON.stringify(output) ?? 'null';
  if (text.length > CHANNEL_LIMITS.inlineBodyBytes / 3 && Buffer.byteLength(text) > CHANNEL_LIMITS.inlineBodyBytes) {
    throw new CodedError('quota_exceeded', `The answer is over ${CHANNEL_LIMITS.inlineBodyBytes} bytes; ask for less`);
  }
  return text;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
