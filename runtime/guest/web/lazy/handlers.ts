import type { Event } from '../event.ts';
import { type EventTarget, hasListeners } from '../event-target.ts';
import { ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ReflectApply } from '../intrinsics.ts';

type Handler = ((...args: never[]) => unknown) | object | null;

interface Slot {
  handler: Handler;
  readonly listener: (event: Event) => void;
}

const slots = new WeakMap<object, Map<string, Slot>>();

/** What `onX` of a target is set to. */
export function handlerOf(target: EventTarget, type: string): Handler {
  return slots.get(target)?.get(type)?.handler ?? null;
}

/**
 * Sets `onX` of a target, as the HTML standard says: anything but an object is null, and the handler keeps its place
 * among the listeners from when it was first set until it is null again.
 *
 * @param call calls it with what handlers of that kind are given
 */
export function setHandler(
  target: EventTarget,
  type: string,
  value: unknown,
  call: (handler: (...args: never[]) => unknown, event: Event) => void = callPlain,
): void {
  const ofTarget = slots.get(target) ?? new Map<string, Slot>();
  slots.set(target, ofTarget);
  const slot = ofTarget.get(type);
  const handler =
    (typeof value === 'object' || typeof value === 'function') && value !== null ? (value as object) : null;
  if (slot === undefined) {
    if (handler === null) return;
    const made: Slot = {
      handler,
      listener: (event) => {
        if (typeof made.handler === 'function') call(made.handler as (...args: never[]) => unknown, event);
      },
    };
    ofTarget.set(type, made);
    target.addEventListener(type, made.listener);
  } else if (handler === null) {
    ofTarget.delete(type);
    target.removeEventListener(type, slot.listener);
  } else {
    slot.handler = handler;
  }
}

function callPlain(handler: (...args: never[]) => unknown, event: Event): void {
  if (ReflectApply(handler, event.currentTarget, [event]) === false) event.preventDefault();
}

/** @throws TypeError for anything but an EventTarget, such as the prototype itself */
function demandTarget(target: EventTarget): void {
  hasListeners(target, '');
}

/** Defines `onX` on the prototype of a class of targets. */
export function defineHandler(prototype: EventTarget, type: string, onSet?: (target: EventTarget) => void): void {
  const key = `on${type}`;
  // Computed names give the accessors theirs: `get onmessage`.
  const accessors = {
    get [key](): Handler {
      const target = this as unknown as EventTarget;
      demandTarget(target);
      return handlerOf(target, type);
    },
    set [key](value: unknown) {
      const target = this as unknown as EventTarget;
      demandTarget(target);
      setHandler(target, type, value);
      onSet?.(target);
    },
  };
  const { get, set } = ObjectGetOwnPropertyDescriptor(accessors, key) as Required<PropertyDescriptor>;
  ObjectDefineProperty(prototype, key, { __proto__: null, get, set, enumerable: true, configurable: true });
}
