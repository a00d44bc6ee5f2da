import type { Frame } from '../../runtime/protocol/frame.ts';
import { FLAG, type GoneReason, type GuestError, KIND, LANE } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Scope } from '../telemetry/scope.ts';
import type { HostChannel } from './channel.ts';
import { decodeGuestError } from './decode.ts';
import { goneFailure, unavailable } from './gone-failure.ts';
import type { Inspection } from './inspection.ts';
import { GuestStreams } from './streams.ts';

/** What the core asks of a handler. */
export interface InvokeRequest {
  /** The handler's number. */
  readonly lane: number;
  /** What is asked, for people: `GET /hello`, `event user.login`, `hook onLoad`. */
  readonly what: string;
  /** JSON text of the payload. */
  readonly payload: string;
  readonly body?: string | Uint8Array | null;
  readonly stream?: ReadableStream<Uint8Array> | null;
  readonly deadlineMs: number;
  /** Whether the caller has given up; looked at now and then (`tickMs`), so that a quick call costs nothing. */
  readonly cancelled?: () => boolean;
  /** Plugins that the chain of calls has passed through, this one included. */
  readonly depth?: number;
  /** What its calls into the core belong to, when that is traced. */
  readonly scope?: Scope;
}

/** A handler's answer: JSON text of the head and the raw body; both are the guest's and not to be trusted. */
export interface InvokeAnswer {
  readonly head: string;
  readonly body: Buffer;
  /** The request's stream, which the handler may read on while its answer is streamed: end it when that is over. */
  readonly sent: number | null;
}

/** A guest-to-core call as it came in. */
export interface GuestCall {
  readonly id: number;
  /** JSON text of the name, JSON text of the input. */
  readonly name: string;
  readonly input: Buffer;
  readonly oneway: boolean;
}

/** A handler threw: what it threw, as plain strings of the guest's making. */
export class GuestFailure extends Error {
  readonly guest: GuestError;
  constructor(guest: GuestError) {
    super(guest.message);
    this.name = 'GuestFailure';
    this.guest = guest;
  }
}

/** How an isolate was lost. */
export interface Loss {
  /** `host`: its whole process was. */
  readonly reason: GoneReason | 'host';
  readonly error: GuestError | null;
  readonly verdict: Verdict;
  /** For people: what ended it. */
  readonly detail: string;
  /** What was under way, and for how many milliseconds. */
  readonly underWay: readonly UnderWay[];
}

/**
 * Whether the isolate is to blame for the loss of its process (or of itself): `culprit` alone was running, `suspect` was
 * one of several that were, `bystander` was not.
 */
export type Verdict = 'culprit' | 'suspect' | 'bystander';

export interface UnderWay {
  readonly what: string;
  readonly ms: number;
}

export interface GuestEvents {
  onCall(guest: Guest, call: GuestCall): void;
  onCallAbort(guest: Guest, id: number): void;
  /** A call was not answered in time; the isolate is not to be used for new ones. @param underWay that call included */
  onDeadline(guest: Guest, underWay: readonly UnderWay[]): void;
  onGone(guest: Guest, loss: Loss): void;
  /** CPU and heap were heard of. */
  onStats(guest: Guest): void;
}

interface Pending {
  readonly what: string;
  readonly resolve: (answer: InvokeAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly started: number;
  readonly deadline: number;
  /** Milliseconds that the isolate had been paused by then. */
  readonly pausedBefore: number;
  readonly depth: number;
  readonly cancelled: (() => boolean) | undefined;
  readonly sent: number | null;
  readonly scope: Scope | null;
}

/** Calls given up that are remembered until they end: each may be what the isolate is stuck in. */
const MAX_ABANDONED = 20;

/** The process that an isolate lives in. */
export interface Home {
  readonly pid: number;
  /** Bytes. */
  readonly rss: number;
  /** Which of the host processes it is. */
  readonly placement: string | null;
}

/** The core's end of one isolate. */
export class Guest {
  readonly id: number;
  readonly streams: GuestStreams;
  readonly #channel: HostChannel;
  readonly #events: GuestEvents;
  readonly #pending = new Map<number, Pending>();
  /** Calls that nobody waits for any more, and that the guest has not ended yet. */
  readonly #abandoned = new Map<number, Pick<Pending, 'what' | 'started'>>();
  #lastInvoke = 0;
  #gone = false;
  #onIdle: (() => void) | null = null;
  /** Told of each invocation that ended: how long it took, and whether it was answered. */
  onSettled: ((milliseconds: number, ok: boolean) => void) | null = null;
  cpuMs = 0;
  heapBytes = 0;
  home: Home | null = null;
  /** Of an isolate that was made for it. */
  inspection: Inspection | null = null;
  /** When it was last seen at work, by `performance.now()`. */
  usedAt = performance.now();
  #toldAt = this.usedAt;
  #timerPending: boolean | null = null;

  constructor(id: number, channel: HostChannel, events: GuestEvents) {
    this.id = id;
    this.#channel = channel;
    this.#events = events;
    this.streams = new GuestStreams(
      (kind, flags, stream, head, body) => {
        this.#told(performance.now());
        channel.send(kind, flags, LANE.stream, id, stream, head, body);
      },
      () => this.#checkIdle(),
    );
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Invocations under way. */
  get calls(): number {
    return this.#pending.size;
  }

  /** Invocations and streams under way. */
  get inFlight(): number {
    return this.#pending.size + this.streams.size;
  }

  /** Whether a timer of the guest waits; null while that is not known, because it was told something since. */
  get timerPending(): boolean | null {
    return this.#timerPending;
  }

  /** The host has seen it at work; what it knew is as of when it was asked. */
  onSeen(timerPending: boolean, askedAt: number): void {
    this.usedAt = performance.now();
    if (this.#toldAt <= askedAt) this.#timerPending = timerPending;
  }

  #told(now: number): void {
    this.usedAt = now;
    this.#toldAt = now;
    this.#timerPending = null;
  }

  /** What is under way, and for how many milliseconds; also what nobody waits for any more. */
  underWay(): UnderWay[] {
    const now = performance.now();
    return [...this.#abandoned.values(), ...this.#pending.values()].map(({ what, started }) => ({
      what,
      ms: now - started,
    }));
  }

  /** The deepest call chain that is under way: what a call out of this guest counts from. */
  get depth(): number {
    let deepest = 0;
    for (const pending of this.#pending.values()) deepest = Math.max(deepest, pending.depth);
    return deepest;
  }

  /** Of an invocation under way; null when there is none of that number, or it is not traced. */
  scopeOf(invocation: number): Scope | null {
    return this.#pending.get(invocation)?.scope ?? null;
  }

  /** Of the invocation under way, when there is exactly one. */
  onlyScope(): Scope | null {
    if (this.#pending.size !== 1) return null;
    for (const { scope } of this.#pending.values()) return scope;
    return null;
  }

  /**
   * Runs a handler. Rejects with GuestFailure (it threw), or a CodedError: `plugin_deadline`, `plugin_unavailable` (the
   * isolate went away meanwhile), `aborted`.
   */
  invoke(request: InvokeRequest): Promise<InvokeAnswer> {
    if (this.#gone) return Promise.reject(unavailable());
    this.#lastInvoke = (this.#lastInvoke + 1) >>> 0;
    const id = this.#lastInvoke;
    const sent = request.stream == null ? null : this.streams.send(request.stream);
    const stream = sent === null ? '' : `,"stream":${sent}`;
    const scope = request.scope ?? null;
    // The guest then says with each call which invocation it is of.
    const traced = scope === null ? '' : ',"t":1';
    const started = performance.now();
    this.#told(started);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        what: request.what,
        resolve,
        reject,
        started,
        deadline: started + request.deadlineMs,
        pausedBefore: this.inspection?.pausedMs(started) ?? 0,
        depth: request.depth ?? 1,
        cancelled: request.cancelled,
        sent,
        scope,
      });
      const body = request.body ?? null;
      this.#channel.send(KIND.invoke, 0, request.lane, this.id, id, `{"p":${request.payload}${stream}${traced}}`, body);
    });
  }

  /** Null while its process takes what it is sent; else resolves when it does again. Answers wait for it. */
  congestion(): Promise<void> | null {
    return this.#channel.congestion();
  }

  /** Answers a call of the guest. */
  reply(id: number, output: string): void {
    this.#told(performance.now());
    this.#channel.send(KIND.reply, 0, LANE.reply, this.id, id, '', output);
  }

  /** Refuses a call of the guest. */
  refuse(id: number, error: CodedError): void {
    const head = JSON.stringify({ code: error.code, message: error.message, extra: error.extra });
    this.#told(performance.now());
    this.#channel.send(KIND.reply, FLAG.error, LANE.reply, this.id, id, head, null);
  }

  receive(frame: Frame): void {
    // The host may speak on for an isolate that was disposed of.
    if (this.#gone) return;
    switch (frame.kind) {
      case KIND.result: {
        const pending = this.#settle(frame.id, (frame.flags & FLAG.error) === 0);
        if (pending === undefined) {
          this.#abandoned.delete(frame.id);
          return;
        }
        if ((frame.flags & FLAG.error) === 0) {
          pending.resolve({ head: frame.head, body: frame.body, sent: pending.sent });
          return;
        }
        if (pending.sent !== null) this.streams.end(pending.sent);
        pending.reject(new GuestFailure(decodeGuestError(frame.body.toString('utf8'))));
        return;
      }
      case KIND.call:
      case KIND.send:
        this.#events.onCall(this, {
          id: frame.id,
          name: frame.head,
          // A copy: the frame's memory is that of a whole read.
          input: Buffer.from(frame.body),
          oneway: frame.kind === KIND.send,
        });
        return;
      case KIND.callAbort:
        this.#events.onCallAbort(this, frame.id);
        return;
      case KIND.chunk:
        if (!this.streams.onChunk(frame.id, frame.flags, frame.body)) this.dispose();
        return;
      case KIND.credit:
        this.streams.onCredit(frame.id, positiveInteger(frame.head));
        return;
      case KIND.inspected:
        this.inspection?.receive(frame);
        return;
      case KIND.streamAbort:
        this.streams.onAbort(frame.id, frame.flags, decodeGuestError(frame.head).message);
        return;
    }
  }

  /** Fails what is over its deadline, by the core's clock, and what nobody waits for any more. */
  expire(now: number): void {
    let late: readonly UnderWay[] | null = null;
    const pausedMs = this.inspection?.pausedMs(now) ?? 0;
    for (const [id, pending] of this.#pending) {
      const over = pending.deadline + pausedMs - pending.pausedBefore <= now;
      if (!over && pending.cancelled?.() !== true) continue;
      if (over) late ??= this.underWay();
      this.#settle(id, false);
      this.#abandon(id, pending);
      this.#told(now);
      this.#channel.send(KIND.cancel, 0, 0, this.id, id, '', null);
      if (pending.sent !== null) this.streams.end(pending.sent);
      pending.reject(new CodedError(over ? 'plugin_deadline' : 'aborted'));
    }
    if (late !== null) this.#events.onDeadline(this, late);
  }

  /** Resolves when nothing is under way any more, or the isolate is gone. */
  idle(): Promise<void> {
    if (this.#gone || this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Ends the isolate; what is under way fails. */
  dispose(): void {
    this.end({ reason: 'disposed', error: null, verdict: 'bystander', detail: 'it was let go' });
  }

  /** Ends the isolate for a reason of the core's. */
  end(loss: Omit<Loss, 'underWay'>): void {
    if (this.#gone) return;
    this.#channel.send(KIND.dispose, 0, 0, this.id, 0, '', null);
    this.onGone(loss);
  }

  /** The isolate is no more: called by the host, once. */
  onGone(loss: Omit<Loss, 'underWay'>): void {
    if (this.#gone) return;
    this.#gone = true;
    const underWay = this.underWay();
    const failure = goneFailure(loss);
    for (const [id, pending] of this.#pending) {
      this.#settle(id, false);
      pending.reject(failure);
    }
    this.streams.close(failure);
    this.inspection?.end('its isolate is gone');
    this.#onIdle?.();
    this.#events.onGone(this, { ...loss, underWay });
  }

  #settle(id: number, ok: boolean): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    this.onSettled?.(performance.now() - pending.started, ok);
    this.#checkIdle();
    return pending;
  }

  #abandon(id: number, { what, started }: Pending): void {
    this.#abandoned.set(id, { what, started });
    const oldest = this.#abandoned.keys().next().value;
    if (this.#abandoned.size > MAX_ABANDONED && oldest !== undefined) this.#abandoned.delete(oldest);
  }

  #checkIdle(): void {
    if (this.#onIdle !== null && this.inFlight === 0) this.#onIdle();
  }
}

function positiveInteger(text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}
