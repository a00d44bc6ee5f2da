import ivm from 'isolated-vm';
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
import { type BootParts, GuestIsolate, PRELUDE_FILE, type Prelude } from './guest-isolate.ts';
import type { Outgoing } from './mailbox.ts';

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
/** Bytes of text moved through isolates after which their external strings are collected (DESIGN 6, last point). */
const COLLECT_AFTER_BYTES = 64 * 1024 * 1024;

/** All isolates of this process, by their number. */
export class Isolates {
  readonly #channel: Channel;
  readonly #isolates = new Map<number, GuestIsolate>();
  readonly #touched = new Set<GuestIsolate>();
  #prelude: Prelude | null = null;
  #moved = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Takes one frame from the core; `flush` delivers what it queued. */
  receive(frame: Frame): void {
    switch (frame.kind) {
      case KIND.boot:
        this.#prelude = compilePrelude(frame.body.toString('utf8'));
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
    }
    const isolate = this.#isolates.get(frame.isolate);
    if (isolate === undefined) return;
    this.#moved += frame.body.length;
    isolate.push(frame);
    this.#touched.add(isolate);
  }

  /** Delivers what one read of the socket brought: each isolate is entered once for all of it. */
  flush(): void {
    for (const isolate of this.#touched) isolate.flush();
    this.#touched.clear();
    this.#channel.flush();
    if (this.#moved > COLLECT_AFTER_BYTES) {
      this.#moved = 0;
      globalThis.gc?.({ type: 'minor' });
    }
  }

  #load(frame: Frame): void {
    const head = JSON.parse(frame.head) as LoadHead;
    const id = frame.isolate;
    const prelude = this.#prelude;
    if (prelude === null) throw new Error('load before boot');
    let isolate: GuestIsolate;
    try {
      isolate = new GuestIsolate(id, head, {
        onMessage: (from, message) => this.#onMessage(from, message),
        onGone: (from, reason, error) => this.#onGone(from, reason, error),
      });
    } catch (error) {
      this.#onGone(id, 'load', { name: 'Error', message: String(error), stack: '', code: null });
      return;
    }
    this.#isolates.set(id, isolate);
    isolate.load(prelude, frame.body.toString('utf8'), head).then(
      () => this.#channel.send(KIND.loaded, 0, id, 0, '', null),
      (error: unknown) => isolate.fail('load', error),
    );
  }

  #onMessage(id: number, message: Outgoing): void {
    if (message.kind === KIND.wake) {
      this.#wake(id, message.id);
      return;
    }
    const isolate = this.#isolates.get(id);
    if (isolate === undefined) return;
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
    });
  }

  #onGone(id: number, reason: GoneReason, error: GuestError | null): void {
    this.#isolates.delete(id);
    const head: GoneHead = { reason, error };
    this.#channel.send(KIND.gone, 0, id, 0, JSON.stringify(head), null);
    // V8 is no longer sound in this process (isolated-vm, onCatastrophicError): the core starts another.
    if (reason === 'catastrophic') {
      this.#channel.flush();
      process.exit(70);
    }
  }

  #pong(id: number): void {
    const isolates = [...this.#isolates.values()].map((isolate) => isolate.stats()).filter((stats) => stats !== null);
    const head: StatsHead = { rss: process.memoryUsage.rss(), isolates };
    this.#channel.send(KIND.pong, 0, 0, id, JSON.stringify(head), null);
  }
}

/** The script's value is the prelude's `boot`, which it leaves in the global scope; a plugin never sees it there. */
const TAKE_BOOT = '\n;(() => { const { boot } = globalThis; delete globalThis.boot; return boot; })()';

/** One request through the prelude, so that V8 compiles what each plugin will run first. */
const WARM_UP = JSON.stringify([
  [KIND.invoke, 1, 1, 0, { p: { m: 'GET', u: 'http://localhost/', h: {}, p: {}, user: null } }],
]);

/**
 * Compiles the prelude in an isolate of its own, for the cached code that all others start from. It is booted there and
 * answers a request first: V8's cache then holds what ran, not only what the parser took for eager.
 */
function compilePrelude(source: string): Prelude {
  const code = source + TAKE_BOOT;
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const context = isolate.createContextSync();
  const filename = PRELUDE_FILE;
  const boot = isolate.compileScriptSync(code, { filename }).runSync(context, { reference: true });
  const random = new ivm.Callback((bytes: number) => '\u0000'.repeat(bytes));
  const info = JSON.stringify({ name: 'warm-up', version: '0.0.0', config: {} });
  const parts = boot.applySync(undefined, [random, info], { result: { reference: true } }) as ivm.Reference<BootParts>;
  const factory = isolate
    .compileScriptSync("(m) => { m.exports = {}; streamspace.api.get('/', () => ({}), { auth: 'public' }); }")
    .runSync(context, { reference: true });
  parts.getSync('define', { reference: true }).applySync(undefined, [factory.derefInto()]);
  parts.getSync('enter', { reference: true }).applySync(undefined, [WARM_UP]);
  parts.getSync('drain', { reference: true }).applySync(undefined, []);
  const script: ivm.Script & ivm.CachedDataResult = isolate.compileScriptSync(code, {
    filename,
    produceCachedData: true,
  });
  const { cachedData } = script;
  isolate.dispose();
  return { code, cachedData };
}
