import type { Channel } from '../channel.ts';
import type { Frame } from '../protocol/frame.ts';
import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import {
  FLAG,
  type GoneHead,
  type GoneReason,
  type GuestError,
  KIND,
  LANE,
  type LoadHead,
  type StatsHead,
} from '../protocol/messages.ts';
import { BlackBox } from './black-box.ts';
import { SpareIsolate } from './boot.ts';
import { Turns } from './crypto/turns.ts';
import { GuestIsolate, type Surroundings } from './guest-isolate.ts';
import type { Outgoing } from './mailbox.ts';
import { compilePrelude } from './prelude.ts';
import { Watchdog } from './watchdog.ts';

/** What a guest may send on; the rest is a breach of the protocol. */
const FROM_GUEST: ReadonlySet<number> = new Set([
  KIND.result,
  KIND.call,
  KIND.send,
  KIND.callAbort,
  KIND.chunk,
  KIND.credit,
  KIND.streamAbort,
]);
/** Longest timer of Node, in milliseconds; a later one is asked for again by the prelude. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Milliseconds after a load: first the plugin's `onLoad` has the threads for itself. */
const REFILL_AFTER_MS = 20;
/** Bytes of text moved through isolates after which their external strings are collected (DESIGN 6, last point). */
const COLLECT_AFTER_BYTES = 64 * 1024 * 1024;
/** Isolates entered after which their answers are written: the core begins on them while the host goes on. */
const FLUSH_ENTRIES = 8;
/** Isolates that went, after which what they leave is collected: V8 does not see that its small handles hold much. */
const COLLECT_AFTER_ISOLATES = 50;

/** All isolates of this process, by their number. */
export class Isolates {
  readonly #channel: Channel;
  readonly #isolates = new Map<number, GuestIsolate>();
  readonly #touched = new Set<GuestIsolate>();
  readonly #around: Surroundings = {
    watchdog: new Watchdog(),
    blackBox: new BlackBox(),
    events: {
      onMessage: (from, message) => this.#onMessage(from, message),
      onGone: (from, reason, error) => this.#onGone(from, reason, error),
      onInspected: (from, piece, last) => this.#channel.send(KIND.inspected, last ? FLAG.last : 0, from, 0, '', piece),
    },
  };
  readonly #turns = new Turns();
  #spare: SpareIsolate | null = null;
  #moved = 0;
  #went = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Takes one frame from the core; `flush` delivers what it queued. */
  receive(frame: Frame): void {
    switch (frame.kind) {
      case KIND.boot:
        this.#spare = new SpareIsolate(compilePrelude(frame.body.toString('utf8')), Number(frame.head));
        this.#spare.refill();
        return;
      case KIND.load:
        this.#load(frame);
        return;
      case KIND.dispose:
        this.#isolates.get(frame.isolate)?.dispose();
        return;
      case KIND.ping:
        this.#pong(frame.id);
        return;
      case KIND.inspect:
        this.#isolates.get(frame.isolate)?.inspect(frame.body.toString('utf8'));
        return;
      case KIND.inspectEnd:
        this.#isolates.get(frame.isolate)?.endInspection();
        return;
    }
    const isolate = this.#isolates.get(frame.isolate);
    if (isolate === undefined) return;
    this.#moved += frame.body.length;
    isolate.push(frame);
    this.#touched.add(isolate);
  }

  /** Delivers what one read of the socket brought: each isolate is entered once for all of it. */
  flush(): void {
    let entered = 0;
    for (const isolate of this.#touched) {
      isolate.flush();
      entered += 1;
      if (entered % FLUSH_ENTRIES === 0) this.#channel.flush();
    }
    this.#touched.clear();
    this.#around.blackBox.leave();
    this.#channel.flush();
    if (this.#moved > COLLECT_AFTER_BYTES || this.#went > COLLECT_AFTER_ISOLATES) {
      this.#moved = 0;
      this.#went = 0;
      globalThis.gc?.({ type: 'major' });
    }
  }

  #load(frame: Frame): void {
    const head = JSON.parse(frame.head) as LoadHead;
    const id = frame.isolate;
    const spare = this.#spare;
    if (spare === null) throw new Error('load before boot');
    const isolate = new GuestIsolate(id, head, this.#around);
    this.#isolates.set(id, isolate);
    const bundle = frame.body.toString('utf8');
    const taken = head.inspect === true ? spare.takeInspectable(head.memoryMb) : spare.take(head.memoryMb);
    taken
      .then((booted) => isolate.load(booted, bundle, head))
      .then(
        () => this.#channel.send(KIND.loaded, 0, id, 0, '', null),
        (error: unknown) => isolate.fail('load', error),
      )
      .finally(() => setTimeout(() => spare.refill(), REFILL_AFTER_MS));
  }

  #onMessage(id: number, message: Outgoing): void {
    if (message.kind === KIND.wake) {
      this.#wake(id, message.id);
      return;
    }
    const isolate = this.#isolates.get(id);
    if (isolate === undefined) return;
    if (message.kind === KIND.crypto) {
      this.#crypto(isolate, message);
      return;
    }
    const length = message.body?.length ?? 0;
    if (
      !FROM_GUEST.has(message.kind) ||
      message.head.length > CHANNEL_LIMITS.headBytes ||
      length > CHANNEL_LIMITS.inlineBodyBytes
    ) {
      isolate.fail('protocol', new Error('a message of a kind or size that is not allowed'));
      return;
    }
    this.#moved += length;
    const binary = (message.flags & FLAG.binary) !== 0;
    this.#channel.send(
      message.kind,
      message.flags,
      id,
      message.id,
      message.head,
      message.body,
      binary ? 'latin1' : 'utf8',
    );
  }

  /** Does what a guest asked for, when a thread is free, and answers it. */
  #crypto(isolate: GuestIsolate, { id, head, body }: Outgoing): void {
    const { crypto } = isolate;
    if (crypto === null) return;
    this.#moved += body?.length ?? 0;
    this.#turns.add(isolate.id, crypto.later(head, body ?? ''), (reply, milliseconds) => {
      crypto.charge(milliseconds);
      isolate.push({
        kind: KIND.crypto,
        flags: 0,
        lane: LANE.crypto,
        isolate: isolate.id,
        id,
        head: reply.head,
        body: reply.body ?? Buffer.alloc(0),
      });
      isolate.flush();
      this.#around.blackBox.leave();
    });
  }

  /** Sets the one timer of a guest. */
  #wake(id: number, milliseconds: number): void {
    const isolate = this.#isolates.get(id);
    isolate?.wake(Math.min(milliseconds, MAX_TIMER_MS), () => {
      isolate.push({
        kind: KIND.wake,
        flags: 0,
        lane: LANE.timer,
        isolate: id,
        id: 0,
        head: '',
        body: Buffer.alloc(0),
      });
      isolate.flush();
      this.#around.blackBox.leave();
    });
  }

  /** After `catastrophic` V8 is no longer sound in this process (isolated-vm, onCatastrophicError): the core ends it. */
  #onGone(id: number, reason: GoneReason, error: GuestError | null): void {
    this.#isolates.delete(id);
    this.#turns.drop(id);
    this.#went += 1;
    const head: GoneHead = { reason, error };
    this.#channel.send(KIND.gone, 0, id, 0, JSON.stringify(head), null);
    if (reason === 'catastrophic') this.#channel.flush();
  }

  #pong(id: number): void {
    const now = performance.now();
    for (const isolate of this.#isolates.values()) {
      if (isolate.isStuck(now)) this.#channel.send(KIND.stuck, 0, isolate.id, 0, '', null);
    }
    const isolates = [...this.#isolates.values()].map((isolate) => isolate.stats()).filter((stats) => stats !== null);
    const head: StatsHead = { rss: residentBytes(), isolates };
    this.#channel.send(KIND.pong, 0, 0, id, JSON.stringify(head), null);
  }
}

/** 0 where /proc is closed to this process: the core sees from outside what it takes. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
