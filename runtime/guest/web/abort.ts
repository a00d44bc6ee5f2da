import { Event } from './event.ts';
import { dispatch, EventTarget, hasListeners } from './event-target.ts';
import { domError } from './heavy.ts';
import { ReflectApply } from './intrinsics.ts';
import { tag } from './lazy.ts';
import { append, removeAt } from './lists.ts';
import { primitives } from './runtime-hooks.ts';
import { after } from './timers.ts';

const INTERNAL: unique symbol = Symbol('internal');
type Handler = ((event: Event) => unknown) | null;

/** Aborts a signal; the first reason stays. */
let abortSignal: (signal: AbortSignal, reason: unknown) => void;
/** Calls `run` when the signal is aborted, before its listeners; answers how to take it back. */
export let onAbort: (signal: AbortSignal, run: () => void) => () => void;
export let isAbortSignal: (value: unknown) => value is AbortSignal;
/** The listener that stands for `onabort`; listeners are called on their target. */
let callHandler: (this: AbortSignal, event: Event) => unknown;

/** Sources hold those that follow them weakly; from this many on, the dead are dropped each time their number doubled. */
const SWEEP = 64;

/** `AbortSignal` of the DOM standard. */
export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason: unknown = undefined;
  #steps: (() => void)[] | null = null;
  #handler: Handler = null;
  /** Of `any`: the signals that it follows, none of which follows another. */
  #sources: AbortSignal[] | null = null;
  #followers: WeakRef<AbortSignal>[] | null = null;
  /** Followers that somebody waits for: they have to live as long as this does. */
  #awaited: Set<AbortSignal> | null = null;
  #sweepAt = SWEEP;

  constructor(token?: typeof INTERNAL) {
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
    super();
  }

  static {
    abortSignal = (signal, reason) => signal.#abort(reason);
    isAbortSignal = (value): value is AbortSignal => typeof value === 'object' && value !== null && #aborted in value;
    callHandler = function (event) {
      return this.#handler === null ? undefined : ReflectApply(this.#handler, this, [event]);
    };
    onAbort = (signal, run) => {
      signal.#steps ??= [];
      append(signal.#steps, run);
      signal.#hold();
      return () => {
        const steps = signal.#steps;
        if (steps === null) return;
        for (let i = 0; i < steps.length; i++) if (steps[i] === run) removeAt(steps, i--);
        signal.#release();
      };
    };
  }

  /** An aborted signal. */
  static abort(reason: unknown = domError('This operation was aborted', 'AbortError')): AbortSignal {
    const signal = new AbortSignal(INTERNAL);
    signal.#aborted = true;
    signal.#reason = reason;
    return signal;
  }

  /** A signal that is aborted with a TimeoutError in so many milliseconds. */
  static timeout(milliseconds: number): AbortSignal {
    const ms = Math.trunc(Number(milliseconds));
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
      throw new TypeError("Failed to execute 'timeout' on 'AbortSignal': not a number of milliseconds");
    }
    const signal = new AbortSignal(INTERNAL);
    after(ms, () => signal.#abort(domError('The operation timed out', 'TimeoutError')));
    return signal;
  }

  /** A signal that is aborted with the first of several. */
  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const all = [...signals];
    for (const each of all) {
      if (!isAbortSignal(each)) throw new TypeError("Failed to execute 'any' on 'AbortSignal': not an AbortSignal");
    }
    const aborted = all.find((each) => each.#aborted);
    if (aborted !== undefined) return AbortSignal.abort(aborted.#reason);
    const signal = new AbortSignal(INTERNAL);
    const sources = new Set(all.flatMap((each) => each.#sources ?? [each]));
    signal.#sources = [...sources];
    for (const source of sources) source.#follow(signal);
    return signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  get onabort(): Handler {
    return this.#handler;
  }

  set onabort(value: unknown) {
    const had = this.#handler !== null;
    this.#handler = typeof value === 'function' ? (value as Handler) : null;
    // The handler takes its place among the listeners when it is first set, and keeps it.
    if (had === (this.#handler !== null)) return;
    if (had) super.removeEventListener('abort', callHandler);
    else super.addEventListener('abort', callHandler);
    if (had) this.#release();
    else this.#hold();
  }

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    super.addEventListener(...args);
    this.#hold();
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    super.removeEventListener(...args);
    this.#release();
  }

  #follow(follower: AbortSignal): void {
    this.#followers ??= [];
    if (this.#followers.length >= this.#sweepAt) {
      this.#followers = this.#followers.filter((each) => each.deref() !== undefined);
      this.#sweepAt = SWEEP + 2 * this.#followers.length;
    }
    append(this.#followers, new WeakRef(follower));
  }

  #hold(): void {
    if (this.#sources === null) return;
    for (const source of this.#sources) {
      source.#awaited ??= new Set();
      source.#awaited.add(this);
    }
  }

  #release(): void {
    if (this.#sources === null || (this.#steps?.length ?? 0) > 0 || hasListeners(this, 'abort')) return;
    for (const source of this.#sources) source.#awaited?.delete(this);
  }

  #abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#mark(reason);
    // All are aborted before the first listener runs.
    const followers: AbortSignal[] = [];
    for (let i = 0; i < (this.#followers?.length ?? 0); i++) {
      const follower = this.#followers?.[i]?.deref();
      if (follower === undefined || follower.#aborted) continue;
      follower.#mark(reason);
      append(followers, follower);
    }
    this.#tell();
    for (let i = 0; i < followers.length; i++) (followers[i] as AbortSignal).#tell();
    this.#followers = this.#awaited = null;
  }

  #mark(reason: unknown): void {
    this.#aborted = true;
    this.#reason = reason;
  }

  #tell(): void {
    const steps = this.#steps;
    this.#steps = this.#sources = null;
    if (steps !== null) {
      for (let i = 0; i < steps.length; i++) {
        try {
          steps[i]?.();
        } catch (error) {
          primitives().reportError(error);
        }
      }
    }
    if (hasListeners(this, 'abort')) dispatch(this, new Event('abort'));
  }
}
tag(AbortSignal.prototype, 'AbortSignal');

/** `AbortController` of the DOM standard; its signal is made when it is first asked for. */
export class AbortController {
  #signal: AbortSignal | null = null;

  get signal(): AbortSignal {
    this.#signal ??= new AbortSignal(INTERNAL);
    return this.#signal;
  }

  abort(reason: unknown = domError('This operation was aborted', 'AbortError')): void {
    abortSignal(this.signal, reason);
  }
}
tag(AbortController.prototype, 'AbortController');

/** A signal that nobody can abort. */
export function idleSignal(): AbortSignal {
  return new AbortSignal(INTERNAL);
}
