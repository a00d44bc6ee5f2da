import { isUtf8 } from 'node:buffer';
import type { Frame } from '../protocol/frame.ts';
import { FLAG, type GoneReason, type GuestError, KIND, LANE, type LoadHead } from '../protocol/messages.ts';
import type { BlackBox } from './black-box.ts';
import type { Booted } from './boot.ts';
import type { GuestCrypto } from './crypto/guest-crypto.ts';
import { plainError } from './errors.ts';
import { Inspector } from './inspector.ts';
import { Lanes } from './lanes.ts';
import { type Outgoing, readMailbox } from './mailbox.ts';
import { isUnhandledRejection, uncaughtFrame, uncaughtLine } from './uncaught.ts';
import type { Watchdog } from './watchdog.ts';

export interface IsolateEvents {
  onMessage(isolate: number, message: Outgoing): void;
  onGone(isolate: number, reason: GoneReason, error: GuestError | null): void;
  /** A piece of what the inspector says. */
  onInspected(isolate: number, piece: Buffer, last: boolean): void;
}

/** What all isolates of the process share. */
export interface Surroundings {
  readonly watchdog: Watchdog;
  readonly blackBox: BlackBox;
  readonly events: IsolateEvents;
}

/** Milliseconds over its time after which a run on the pool is taken for one that nothing stops but the end of the process. */
const STUCK_GRACE_MS = 400;

/** One plugin's isolate: a queue in, a mailbox out, and the rule of how to enter it. */
export class GuestIsolate {
  readonly id: number;
  readonly #cpuMs: number;
  /** Milliseconds that an entry on the pool may last. One that is inspected may be paused: the core ends it if need be. */
  readonly #entryMs: number;
  readonly #lanes: Lanes;
  readonly #around: Surroundings;
  #watched = false;
  /** When a run on the pool has to be over, by `performance.now()`; null when none is under way. */
  #poolUntil: number | null = null;
  /** Null until the load has begun. */
  #booted: Booted | null = null;
  #heads = '';
  #bodies: string[] = [];
  #queued: number[] = [];
  #busy = true;
  #gone = false;
  #timer: NodeJS.Timeout | null = null;
  #timerPending = false;
  #reportedCpu = 0n;
  #heapBytes = 0;
  #inspector: Inspector | null = null;

  constructor(id: number, head: LoadHead, around: Surroundings) {
    this.id = id;
    this.#around = around;
    this.#cpuMs = head.cpuMs;
    this.#entryMs = head.inspect === true ? Number.POSITIVE_INFINITY : head.cpuMs;
    this.#lanes = new Lanes(head);
  }

  /** Moves into an isolate and runs the bundle's top level; messages that came meanwhile are delivered after it. */
  async load(booted: Booted, bundle: string, head: LoadHead): Promise<void> {
    if (this.#gone) {
      booted.isolate.dispose();
      return;
    }
    this.#booted = booted;
    if (booted.session !== null) {
      this.#inspector = new Inspector(booted.session, (piece, last) =>
        this.#around.events.onInspected(this.id, piece, last),
      );
    }
    booted.onCatastrophic = (message) => this.#end('catastrophic', plainError(new Error(message)));
    booted.onHostCall = () => this.#endIfLate();
    this.#beginOnPool(head.loadMs);
    try {
      await this.#define(booted, bundle, head);
    } finally {
      this.#endOnPool();
    }
    this.flush();
  }

  async #define(booted: Booted, bundle: string, head: LoadHead): Promise<void> {
    const { isolate, context, define, drain } = booted;
    // The wrapper's line is taken off again, so that positions are the bundle's own. Debuggers do not take such scripts.
    const factory = await isolate.compileScript(`(function (module, exports, require) {\n${bundle}\n})`, {
      filename: `plugin:${head.plugin}`,
      lineOffset: head.inspect === true ? 0 : -1,
    });
    const factoryRef = await factory.run(context, { reference: true, timeout: head.loadMs });
    const { plugin: name, version, config, timers } = head;
    const info = JSON.stringify({ name, version, config, timers });
    const failure = await define.apply(undefined, [factoryRef.derefInto(), info], { timeout: head.loadMs });
    define.release();
    factoryRef.release();
    if (typeof failure === 'string') throw new LoadFailure(JSON.parse(failure) as GuestError);
    this.#busy = false;
    this.#collect(await drain.apply(undefined, [], { timeout: this.#cpuMs }));
  }

  /** Queues a message; it is delivered with the next `flush`. */
  push(frame: Frame): void {
    if (this.#gone) return;
    const separator = this.#heads === '' ? '[' : ',';
    const head = frame.head === '' ? 'null' : frame.head;
    let flags = frame.flags & ~FLAG.binary;
    if (frame.body.length > 0) {
      const text =
        frame.kind === KIND.chunk || frame.kind === KIND.crypto ? readBytes(frame.body) : readBody(frame.body);
      this.#bodies.push(text.body);
      flags |= text.binary ? FLAG.body | FLAG.binary : FLAG.body;
    }
    this.#heads += `${separator}[${frame.kind},${frame.id},${frame.lane},${flags},${head}]`;
    this.#queued.push(frame.lane);
  }

  /** Delivers what is queued, unless the isolate is being run: then it is delivered when that is over. */
  flush(): void {
    if (this.#busy || this.#gone || this.#queued.length === 0) return;
    const heads = `${this.#heads}]`;
    const bodies = this.#bodies;
    const lanes = this.#queued;
    this.#heads = '';
    this.#bodies = [];
    this.#queued = [];
    if (lanes.every((lane) => this.#lanes.isQuick(lane))) this.#enterNow(heads, bodies, lanes);
    else void this.#enterOnPool(heads, bodies, lanes);
  }

  /** A message for V8's inspector, which only an isolate has that was made for it. */
  inspect(message: string): void {
    if (!this.#gone && message !== '') this.#inspector?.dispatch(message);
  }

  endInspection(): void {
    this.#inspector?.end();
  }

  /** CPU milliseconds since the last time, bytes of heap, and whether a timer waits; null when it did not run since. */
  stats(): readonly [isolate: number, cpuMs: number, heapBytes: number, timerPending: boolean] | null {
    if (this.#gone || this.#booted === null) return null;
    const { isolate } = this.#booted;
    const cpu = isolate.cpuTime;
    const forIt = this.#booted.crypto.takeSpent();
    if (cpu === this.#reportedCpu && forIt === 0) return null;
    const spent = Number(cpu - this.#reportedCpu) / 1e6 + forIt;
    if (this.#busy || this.#inspector !== null) {
      // One that never rests is heard of as well; its heap is that of the last time. To look into one that is paused
      // would be to wait for it.
      this.#reportedCpu = cpu;
      return [this.id, spent, this.#heapBytes, this.#timerPending];
    }
    // It waits for what runs there unasked, a finalizer say: when that never ends, this is who is to blame.
    this.#around.blackBox.enter(this.id);
    const heap = isolate.getHeapStatisticsSync();
    this.#around.blackBox.leave();
    this.#heapBytes = heap.used_heap_size + heap.externally_allocated_size;
    // Reading the heap is counted too, and is no sign of life.
    this.#reportedCpu = isolate.cpuTime;
    return [this.id, spent, this.#heapBytes, this.#timerPending];
  }

  /** What this process does for it; null until the load has begun, and when it is over. */
  get crypto(): GuestCrypto | null {
    return this.#gone ? null : (this.#booted?.crypto ?? null);
  }

  dispose(): void {
    this.#end('disposed', null);
  }

  #enterNow(heads: string, bodies: string[], lanes: readonly number[]): void {
    const { isolate, enter, drain, filled } = this.#booted as Booted;
    if (!this.#watched) {
      this.#watched = true;
      this.#around.watchdog.add(this.id, isolate);
    }
    const started = performance.now();
    let text: unknown;
    let late: unknown = '';
    let uncaught: { readonly error: unknown } | null = null;
    this.#busy = true;
    this.#around.blackBox.enter(this.id);
    this.#around.watchdog.begin(this.id, this.#cpuMs);
    try {
      try {
        text = enter.applySync(undefined, [heads, ...bodies]);
      } catch (error) {
        if (!isUnhandledRejection(error, isolate)) throw error;
        uncaught = { error };
        text = drain.applySync(undefined, [true]);
      }
      // What the microtasks brought, which ran when the guest was left.
      if (filled[0] !== 0) late = drain.applySync(undefined, []);
    } catch (error) {
      this.#fail(this.#around.watchdog.end() ? error : new Error(`ran for more than ${this.#cpuMs} ms: timed out`));
      return;
    }
    if (!this.#around.watchdog.end()) {
      this.#fail(new Error(`ran for more than ${this.#cpuMs} ms: timed out`));
      return;
    }
    this.#busy = false;
    this.#lanes.record(lanes, performance.now() - started);
    this.#collect(text);
    this.#collect(late);
    if (uncaught !== null) this.#tellUncaught(uncaught.error, lanes);
  }

  async #enterOnPool(heads: string, bodies: string[], lanes: readonly number[]): Promise<void> {
    const { isolate, enter, drain } = this.#booted as Booted;
    this.#busy = true;
    this.#beginOnPool(this.#entryMs);
    const limits = Number.isFinite(this.#entryMs) ? { timeout: this.#entryMs } : {};
    const before = isolate.wallTime;
    try {
      // Both are queued at once, so that the pool thread takes them in one go.
      const entered = enter.apply(undefined, [heads, ...bodies], limits);
      const drained = drain.apply(undefined, [], limits);
      let uncaught: { readonly error: unknown } | null = null;
      const recovered = entered.catch((error: unknown) => {
        if (!isUnhandledRejection(error, isolate)) throw error;
        uncaught = { error };
        return drain.apply(undefined, [true], limits);
      });
      const [text, late] = await Promise.all([recovered, drained]);
      if (this.#gone) return;
      this.#busy = false;
      if (uncaught !== null) this.#tellUncaught((uncaught as { readonly error: unknown }).error, lanes);
      this.#lanes.record(lanes, Number(isolate.wallTime - before) / 1e6);
      this.#collect(text);
      this.#collect(late);
    } catch (error) {
      this.#fail(error);
      return;
    } finally {
      this.#endOnPool();
    }
    this.flush();
  }

  /** A rejection that nobody handled: for the guest when it listens for them, and else (or when that brought it) for its log. */
  #tellUncaught(error: unknown, lanes: readonly number[]): void {
    const listens = this.#booted !== null && this.#booted.filled[1] !== 0;
    if (!listens || lanes.includes(LANE.uncaught)) {
      this.#around.events.onMessage(this.id, uncaughtLine(error));
      return;
    }
    this.push(uncaughtFrame(this.id, error));
    setImmediate(() => {
      this.flush();
      this.#around.blackBox.leave();
    });
  }

  #beginOnPool(milliseconds: number): void {
    this.#poolUntil = performance.now() + milliseconds + STUCK_GRACE_MS;
    this.#around.blackBox.begin(this.id);
  }

  #endOnPool(): void {
    this.#poolUntil = null;
    this.#around.blackBox.end(this.id);
  }

  /** Whether it runs on although its time is over: a long builtin, which no termination reaches. */
  isStuck(now: number): boolean {
    return this.#poolUntil !== null && this.#poolUntil < now;
  }

  /**
   * Ends a run whose time is over and that asks the host for something: a loop of such calls would go on for seconds, for
   * the end of its time reaches it only between them.
   */
  #endIfLate(): void {
    const until = this.#poolUntil;
    if (until === null || performance.now() < until - STUCK_GRACE_MS / 2) return;
    setImmediate(() => {
      if (this.#poolUntil === until) this.#fail(new Error('asked the host on and on after its time: timed out'));
    });
  }

  #collect(text: unknown): void {
    if (text === '' || this.#gone) return;
    try {
      if (typeof text !== 'string') throw new Error('mailbox is not text');
      readMailbox(text, (message) => this.#around.events.onMessage(this.id, message));
    } catch (error) {
      this.#end('protocol', plainError(error));
    }
  }

  /** An entry that did not return: the isolate's state is not to be trusted any more. */
  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const reason = /timed out/i.test(message) ? 'cpu' : /disposed|memory/i.test(message) ? 'memory' : 'protocol';
    this.#end(reason, plainError(error));
  }

  /** Sets the one timer that the guest asked for; a new request replaces the old. */
  wake(milliseconds: number | null, fire: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerPending = milliseconds !== null && !this.#gone;
    if (milliseconds === null || this.#gone) return;
    const due = (): void => {
      this.#timerPending = false;
      fire();
    };
    // Node rounds 0 up to a millisecond.
    if (milliseconds === 0) setImmediate(due);
    else this.#timer = setTimeout(due, milliseconds);
  }

  fail(reason: GoneReason, error: unknown): void {
    this.#end(reason, error instanceof LoadFailure ? error.guest : plainError(error));
  }

  #end(reason: GoneReason, error: GuestError | null): void {
    if (this.#gone) return;
    this.#gone = true;
    this.wake(null, () => undefined);
    this.#heads = '';
    this.#bodies = [];
    this.#queued = [];
    if (this.#watched) this.#around.watchdog.remove(this.id);
    const isolate = this.#booted?.isolate;
    // One that was made for inspection goes with its process: isolated-vm does not dispose of those without accidents.
    if (isolate !== undefined && !isolate.isDisposed && this.#inspector === null) {
      // It waits for what runs there: when that never ends, this is who is to blame.
      this.#around.blackBox.enter(this.id);
      isolate.dispose();
      this.#around.blackBox.leave();
    }
    this.#around.events.onGone(this.id, reason, error);
  }
}

/** The bundle's own top level threw: its error is the plugin's, with the plugin's positions. */
export class LoadFailure extends Error {
  readonly guest: GuestError;
  constructor(guest: GuestError) {
    super(guest.message);
    this.guest = guest;
  }
}

/** UTF-8 becomes text; anything else (and a BOM, which text decoding would drop) one char a byte. */
function readBody(bytes: Buffer): { body: string; binary: boolean } {
  const hasBom = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  if (!hasBom && isUtf8(bytes)) return { body: bytes.toString('utf8'), binary: false };
  return readBytes(bytes);
}

function readBytes(bytes: Buffer): { body: string; binary: boolean } {
  return { body: bytes.toString('latin1'), binary: true };
}
