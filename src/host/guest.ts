import type { Frame } from '../../runtime/protocol/frame.ts';
import { FLAG, type GoneReason, type GuestError, KIND, LANE } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { HostChannel } from './channel.ts';
import { decodeGuestError } from './decode.ts';
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

export interface GuestEvents {
  onCall(guest: Guest, call: GuestCall): void;
  onCallAbort(guest: Guest, id: number): void;
  /** A call was not answered in time; the isolate is not to be used for new ones. */
  onDeadline(guest: Guest): void;
  onGone(guest: Guest, reason: GoneReason | 'host', error: GuestError | null): void;
  /** CPU and heap were heard of. */
  onStats(guest: Guest): void;
}

interface Pending {
  readonly what: string;
  readonly resolve: (answer: InvokeAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly started: number;
  readonly deadline: number;
  readonly depth: number;
  readonly cancelled: (() => boolean) | undefined;
  readonly sent: number | null;
}

/** The core's end of one isolate. */
export class Guest {
  readonly id: number;
  readonly streams: GuestStreams;
  readonly #channel: HostChannel;
  readonly #events: GuestEvents;
  readonly #pending = new Map<number, Pending>();
  #lastInvoke = 0;
  #gone = false;
  #onIdle: (() => void) | null = null;
  /** Told of each invocation that ended: how long it took, and whether it was answered. */
  onSettled: ((milliseconds: number, ok: boolean) => void) | null = null;
  cpuMs = 0;
  heapBytes = 0;

  constructor(id: number, channel: HostChannel, events: GuestEvents) {
    this.id = id;
    this.#channel = channel;
    this.#events = events;
    this.streams = new GuestStreams(
      (kind, flags, stream, head, body) => channel.send(kind, flags, LANE.stream, id, stream, head, body),
      () => this.#checkIdle(),
    );
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Invocations and streams under way. */
  get inFlight(): number {
    return this.#pending.size + this.streams.size;
  }

  /** What is under way, and for how many milliseconds. */
  underWay(): { readonly what: string; readonly ms: number }[] {
    const now = performance.now();
    return [...this.#pending.values()].map(({ what, started }) => ({ what, ms: now - started }));
  }

  /** The deepest call chain that is under way: what a call out of this guest counts from. */
  get depth(): number {
    let deepest = 0;
    for (const pending of this.#pending.values()) deepest = Math.max(deepest, pending.depth);
    return deepest;
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
    const started = performance.now();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        what: request.what,
        resolve,
        reject,
        started,
        deadline: started + request.deadlineMs,
        depth: request.depth ?? 1,
        cancelled: request.cancelled,
        sent,
      });
      const body = request.body ?? null;
      this.#channel.send(KIND.invoke, 0, request.lane, this.id, id, `{"p":${request.payload}${stream}}`, body);
    });
  }

  /** Answers a call of the guest. */
  reply(id: number, output: string): void {
    this.#channel.send(KIND.reply, 0, LANE.reply, this.id, id, '', output);
  }

  /** Refuses a call of the guest. */
  refuse(id: number, error: CodedError): void {
    const head = JSON.stringify({ code: error.code, message: error.message, extra: error.extra });
    this.#channel.send(KIND.reply, FLAG.error, LANE.reply, this.id, id, head, null);
  }

  receive(frame: Frame): void {
    switch (frame.kind) {
      case KIND.result: {
        const pending = this.#settle(frame.id, (frame.flags & FLAG.error) === 0);
        if (pending === undefined) return;
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
          input: frame.body,
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
      case KIND.streamAbort:
        this.streams.onAbort(frame.id, frame.flags, decodeGuestError(frame.head).message);
        return;
    }
  }

  /** Fails what is over its deadline, by the core's clock, and what nobody waits for any more. */
  expire(now: number): void {
    let late = false;
    for (const [id, pending] of this.#pending) {
      const over = pending.deadline <= now;
      if (!over && pending.cancelled?.() !== true) continue;
      late ||= over;
      this.#settle(id, false);
      this.#channel.send(KIND.cancel, 0, 0, this.id, id, '', null);
      if (pending.sent !== null) this.streams.end(pending.sent);
      pending.reject(new CodedError(over ? 'plugin_deadline' : 'aborted'));
    }
    if (late) this.#events.onDeadline(this);
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
    if (this.#gone) return;
    this.#channel.send(KIND.dispose, 0, 0, this.id, 0, '', null);
    this.onGone('disposed', null);
  }

  /** The isolate is no more: called by the host, once. */
  onGone(reason: GoneReason | 'host', error: GuestError | null): void {
    if (this.#gone) return;
    this.#gone = true;
    const failure = goneFailure(reason);
    for (const [id, pending] of this.#pending) {
      this.#settle(id, false);
      pending.reject(failure);
    }
    this.streams.close(failure);
    this.#onIdle?.();
    this.#events.onGone(this, reason, error);
  }

  #settle(id: number, ok: boolean): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    this.onSettled?.(performance.now() - pending.started, ok);
    this.#checkIdle();
    return pending;
  }

  #checkIdle(): void {
    if (this.#onIdle !== null && this.inFlight === 0) this.#onIdle();
  }
}

/** What whoever waited is told: the plugin's own doing is an error of the plugin, the rest will pass. */
function goneFailure(reason: GoneReason | 'host'): CodedError {
  switch (reason) {
    case 'cpu':
      return new CodedError('plugin_deadline', 'The plugin ran longer than its CPU limit');
    case 'memory':
      return new CodedError('plugin_error', 'The plugin used more memory than its limit');
    case 'protocol':
      return new CodedError('plugin_error', 'The plugin broke the protocol of its isolate');
    case 'catastrophic':
      return new CodedError('plugin_error', 'The plugin brought its isolate down');
    default:
      return unavailable();
  }
}

function unavailable(): CodedError {
  return new CodedError('plugin_unavailable', undefined, { retryAfter: 1 });
}

function positiveInteger(text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}
