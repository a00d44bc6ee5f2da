import { control, Event } from './event.ts';
import { domError } from './heavy.ts';
import { ReflectApply } from './intrinsics.ts';
import { tag } from './lazy.ts';
import { append } from './lists.ts';
import { primitives } from './runtime-hooks.ts';

type Callback = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

interface Listener {
  readonly type: string;
  readonly callback: Callback;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

type Options = boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal } | undefined;

/** Dispatches an event that the platform made; true unless it was cancelled. */
export let dispatch: (target: EventTarget, event: Event) => boolean;
/** Whether anybody listens for the type. */
export let hasListeners: (target: EventTarget, type: string) => boolean;

/** What a method was called on: the global object, which Web IDL puts in for nothing at all, keeps its listeners in `scope`. */
const receiver = (self: EventTarget | undefined | null): EventTarget =>
  self === undefined || self === null || (self as object) === globalThis ? scope : self;

/** What listeners see of a target. */
const faceOf = (target: EventTarget): object => (target === scope ? globalThis : target);

/** `EventTarget` of the DOM standard; the list of listeners is made by the first of them. */
export class EventTarget {
  #listeners: Listener[] | null = null;

  static {
    dispatch = (target, event) => {
      control.trust(event, true);
      return target.#dispatch(event);
    };
    hasListeners = (target, type) => {
      const listeners = target.#listeners;
      if (listeners !== null) for (let i = 0; i < listeners.length; i++) if (listeners[i]?.type === type) return true;
      return false;
    };
  }

  addEventListener(type: string, callback: Callback | null, options?: Options): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'addEventListener': 2 arguments required");
    const flags = typeof options === 'object' && options !== null ? options : { capture: !!options };
    const capture = !!flags.capture;
    const { once, passive, signal } = flags;
    if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
      throw new TypeError("Failed to execute 'addEventListener': the signal is not an AbortSignal");
    }
    const self = receiver(this);
    if (callback === null || callback === undefined || signal?.aborted) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') {
      throw new TypeError("Failed to execute 'addEventListener': the callback is neither a function nor an object");
    }
    const name = `${type}`;
    self.#listeners ??= [];
    if (self.#find(name, callback, capture) >= 0) return;
    append(self.#listeners, { type: name, callback, capture, once: !!once, passive: !!passive, removed: false });
    signal?.addEventListener('abort', () => self.removeEventListener(name, callback, capture), { once: true });
  }

  removeEventListener(type: string, callback: Callback | null, options?: Options): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'removeEventListener': 2 arguments required");
    const capture = typeof options === 'object' && options !== null ? !!options.capture : !!options;
    const self = receiver(this);
    const at = self.#find(`${type}`, callback, capture);
    if (at >= 0) self.#drop(at);
  }

  dispatchEvent(event: Event): boolean {
    if (typeof event !== 'object' || event === null || !(event instanceof Event)) {
      throw new TypeError("Failed to execute 'dispatchEvent': the argument is not an Event");
    }
    if (control.dispatching(event)) throw domError('The event is being dispatched', 'InvalidStateError');
    control.trust(event, false);
    return receiver(this).#dispatch(event);
  }

  #find(type: string, callback: Callback | null, capture: boolean): number {
    const listeners = this.#listeners;
    if (listeners === null) return -1;
    for (let i = 0; i < listeners.length; i++) {
      const each = listeners[i] as Listener;
      if (each.type === type && each.callback === callback && each.capture === capture) return i;
    }
    return -1;
  }

  /** Makes a new list, so that a dispatch under way goes on over the old one. */
  #drop(at: number): void {
    const listeners = this.#listeners as Listener[];
    (listeners[at] as Listener).removed = true;
    const left: Listener[] = [];
    for (let i = 0; i < listeners.length; i++) if (i !== at) append(left, listeners[i] as Listener);
    this.#listeners = left;
  }

  #dispatch(event: Event): boolean {
    control.begin(event, faceOf(this));
    const { type } = event;
    const listeners = this.#listeners;
    if (listeners !== null) {
      // Those that are added meanwhile wait for the next event.
      const { length } = listeners;
      // At the target the capturing listeners go first.
      for (let pass = 0; pass < 2 && !control.held(event); pass++) {
        for (let i = 0; i < length && !control.stopped(event); i++) {
          const listener = listeners[i] as Listener;
          if (listener.type === type && listener.capture === (pass === 0)) this.#invoke(listener, event);
        }
      }
    }
    control.end(event);
    return !event.defaultPrevented;
  }

  #invoke(listener: Listener, event: Event): void {
    if (listener.removed) return;
    const { callback } = listener;
    if (listener.once) {
      const at = this.#find(listener.type, callback, listener.capture);
      if (at >= 0) this.#drop(at);
    }
    control.listen(event, listener.passive);
    try {
      if (typeof callback === 'function') ReflectApply(callback, faceOf(this), [event]);
      else callback.handleEvent(event);
    } catch (error) {
      primitives().reportError(error);
    }
    control.listen(event, false);
  }
}
tag(EventTarget.prototype, 'EventTarget');

/** Stands for the global object, which is an EventTarget by its prototype alone. */
export const scope = new EventTarget();
