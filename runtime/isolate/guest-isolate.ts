import { isUtf8 } from 'node:buffer';
import type { Frame } from '../protocol/frame.ts';
import { FLAG, type GoneReason, type GuestError, KIND, type LoadHead } from '../protocol/messages.ts';
import type { Booted } from './boot.ts';
import { plainError } from './errors.ts';
import { Lanes } from './lanes.ts';
import { type Outgoing, readMailbox } from './mailbox.ts';
import type { Watchdog } from './watchdog.ts';

export interface IsolateEvents {
  onMessage(isolate: number, message: Outgoing): void;
  onGone(isolate: number, reason: GoneReason, error: GuestError | null): void;
}

/** One plugin's isolate: a queue in, a mailbox out, and the rule of how to enter it. */
export class GuestIsolate {
  readonly id: number;
  readonly #cpuMs: number;
  readonly #lanes: Lanes;
  readonly #events: IsolateEvents;
  readonly #watchdog: Watchdog;
  #watched = false;
  /** Null until the load has begun. */
  #booted: Booted | null = null;
  #heads = '';
  #bodies: string[] = [];
  #queued: number[] = [];
  #busy = true;
  #gone = false;
  #timer: NodeJS.Timeout | null = null;
  #reportedCpu = 0n;

  constructor(id: number, head: LoadHead, watchdog: Watchdog, events: IsolateEvents) {
    this.id = id;
    this.#watchdog = watchdog;
    this.#events = events;
    this.#cpuMs = head.cpuMs;
    this.#lanes = new Lanes(head.cpuMs);
  }

  /** Moves into an isolate and runs the bundle's top level; messages that came meanwhile are delivered after it. */
  async load(booted: Booted, bundle: string, head: LoadHead): Promise<void> {
    if (this.#gone) {
      booted.isolate.dispose();
      return;
    }
    this.#booted = booted;
    booted.onCatastrophic = (message) => this.#end('catastrophic', plainError(new Error(message)));
    const { isolate, context, define, drain } = booted;
    // The wrapper's line is taken off again, so that positions are the bundle's own.
    const factory = await isolate.compileScript(`(function (module, exports, require) {\n${bundle}\n})`, {
      filename: `plugin:${head.plugin}`,
      lineOffset: -1,
    });
    const factoryRef = await factory.run(context, { reference: true, timeout: head.loadMs });
    const info = JSON.stringify({ name: head.plugin, version: head.version, config: head.config });
    const failure = await define.apply(undefined, [factoryRef.derefInto(), info], { timeout: head.loadMs });
    define.release();
    factoryRef.release();
    if (typeof failure === 'string') throw new LoadFailure(JSON.parse(failure) as GuestError);
    this.#busy = false;
    this.#collect(await drain.apply(undefined, [], { timeout: this.#cpuMs }));
    this.flush();
  }

  /** Queues a message; it is delivered with the next `flush`. */
  push(frame: Frame): void {
    if (this.#gone) return;
    const separator = this.#heads === '' ? '[' : ',';
    const head = frame.head === '' ? 'null' : frame.head;
    let flags = frame.flags & ~FLAG.binary;
    if (frame.body.length > 0) {
      const text = frame.kind === KIND.chunk ? readBytes(frame.body) : readBody(frame.body);
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

  /** CPU milliseconds since the last time and bytes of heap; null when it did not run since. */
  stats(): readonly [isolate: number, cpuMs: number, heapBytes: number] | null {
    if (this.#gone || this.#busy || this.#booted === null) return null;
    const { isolate } = this.#booted;
    const cpu = isolate.cpuTime;
    if (cpu === this.#reportedCpu) return null;
    const spent = Number(cpu - this.#reportedCpu) / 1e6;
    this.#reportedCpu = cpu;
    const heap = isolate.getHeapStatisticsSync();
    return [this.id, spent, heap.used_heap_size + heap.externally_allocated_size];
  }

  dispose(): void {
    this.#end('disposed', null);
  }

  #enterNow(heads: string, bodies: string[], lanes: readonly number[]): void {
    const { isolate, enter, drain, filled } = this.#booted as Booted;
    if (!this.#watched) {
      this.#watched = true;
      this.#watchdog.add(this.id, isolate);
    }
    const started = performance.now();
    let text: unknown;
    let late: unknown = '';
    this.#busy = true;
    this.#watchdog.begin(this.id, this.#cpuMs);
    try {
      text = enter.applySync(undefined, [heads, ...bodies]);
      // What the microtasks brought, which ran when the guest was left.
      if (filled[0] !== 0) late = drain.applySync(undefined, []);
    } catch (error) {
      this.#fail(this.#watchdog.end() ? error : new Error(`ran for more than ${this.#cpuMs} ms: timed out`));
      return;
    }
    if (!this.#watchdog.end()) {
      this.#fail(new Error(`ran for more than ${this.#cpuMs} ms: timed out`));
      return;
    }
    this.#busy = false;
    this.#lanes.record(lanes, performance.now() - started);
    this.#collect(text);
    this.#collect(late);
  }

  async #enterOnPool(heads: string, bodies: string[], lanes: readonly number[]): Promise<void> {
    const { isolate, enter, drain } = this.#booted as Booted;
    this.#busy = true;
    const before = isolate.wallTime;
    try {
      // Both are queued at once, so that the pool thread takes them in one go.
      const entered = enter.apply(undefined, [heads, ...bodies], { timeout: this.#cpuMs });
      const drained = drain.apply(undefined, [], { timeout: this.#cpuMs });
      const [text, late] = await Promise.all([entered, drained]);
      if (this.#gone) return;
      this.#busy = false;
      this.#lanes.record(lanes, Number(isolate.wallTime - before) / 1e6);
      this.#collect(text);
      this.#collect(late);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.flush();
  }

  #collect(text: unknown): void {
    if (text === '' || this.#gone) return;
    try {
      if (typeof text !== 'string') throw new Error('mailbox is not text');
      readMailbox(text, (message) => this.#events.onMessage(this.id, message));
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
    if (milliseconds === null || this.#gone) return;
    // Node rounds 0 up to a millisecond.
    if (milliseconds === 0) setImmediate(fire);
    else this.#timer = setTimeout(fire, milliseconds);
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
    if (this.#watched) this.#watchdog.remove(this.id);
    const isolate = this.#booted?.isolate;
    if (isolate !== undefined && !isolate.isDisposed) isolate.dispose();
    this.#events.onGone(this.id, reason, error);
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
