import { bindContext } from './async-context.ts';
import { domError } from './heavy.ts';
import { MapDelete, MapGet, MapSet, MathMax, PromiseResolve, PromiseThen, ReflectApply } from './intrinsics.ts';
import { primitives } from './runtime-hooks.ts';
import { type Timer, TimerQueue } from './timer-queue.ts';

/** Timers that may wait at a time; one more is a QuotaExceededError. The plugin's own limit comes with its load. */
let mostTimers = 10_000;
/** From this depth of timers set by timers on, they wait at least 4 ms, as the HTML standard says. */
const NESTING_LIMIT = 5;
const NESTED_MS = 4;

const queue = new TimerQueue();
const byId = new Map<number, Timer>();
let lastId = 0;
let lastOrder = 0;
/** Depth of the timer whose callback runs; 0 outside of any. */
let nesting = 0;
/** When the host was asked to call `fire`; null when it was not. */
let armed: number | null = null;

/** The delay that a browser makes of it: a 32-bit integer (so that NaN, -1, 2^31 and 2^32 are 0). */
function clamp(delay: unknown): number {
  const ms = Number(delay) | 0;
  const least = nesting >= NESTING_LIMIT ? NESTED_MS : 0;
  return MathMax(ms, least);
}

/** Asks the host for a call when the earliest timer is due, unless it comes early enough already. */
function arm(now: number): void {
  const first = queue.peek();
  if (first === undefined || (armed !== null && armed <= first.due)) return;
  armed = first.due;
  primitives().wake(first.due > now ? first.due - now : 0);
}

function start(run: () => void, ms: number, repeat: boolean): Timer {
  if (queue.size >= mostTimers) {
    throw domError(`The limit timers (${mostTimers}) is used up: as many wait`, 'QuotaExceededError');
  }
  const now = primitives().monotonic();
  const timer: Timer = {
    id: ++lastId,
    due: now + ms,
    order: ++lastOrder,
    at: -1,
    run,
    every: repeat ? ms : null,
    nesting: nesting + 1,
  };
  queue.add(timer);
  MapSet(byId, timer.id, timer);
  arm(now);
  return timer;
}

function stop(timer: Timer): void {
  queue.remove(timer);
  MapDelete(byId, timer.id);
}

/**
 * Runs the timer that is due first and asks for the next: one callback a call, so that the microtasks of one have all
 * run before the next, as in a browser. A call that comes too early only asks again.
 */
export function fire(): void {
  armed = null;
  const now = primitives().monotonic();
  const timer = queue.peek();
  if (timer !== undefined && timer.due <= now) {
    queue.remove(timer);
    nesting = timer.nesting;
    try {
      timer.run();
    } catch (error) {
      primitives().reportError(error);
    }
    nesting = 0;
    if (timer.every === null) MapDelete(byId, timer.id);
    else if (MapGet(byId, timer.id) === timer) again(timer, timer.every);
  }
  arm(primitives().monotonic());
}

function again(timer: Timer, every: number): void {
  timer.due = primitives().monotonic() + (every < NESTED_MS && timer.nesting >= NESTING_LIMIT ? NESTED_MS : every);
  timer.order = ++lastOrder;
  (timer as { nesting: number }).nesting = timer.nesting + 1;
  queue.add(timer);
}

/** Sets how many may wait at a time. */
export function allow(most: number): void {
  mostTimers = most;
}

/** How many timers wait. */
export function count(): number {
  return queue.size;
}

/** Runs `run` once in `ms` milliseconds (not clamped to 32 bits); answers how to take it back. */
export function after(ms: number, run: () => void): () => void {
  const timer = start(bindContext(run), ms, false);
  return () => stop(timer);
}

function callback(name: string, handler: unknown, args: unknown[]): () => void {
  if (typeof handler !== 'function') throw new TypeError(`${name}: the handler is not a function`);
  return bindContext(() => ReflectApply(handler, globalThis, args));
}

export function setTimeout(handler: unknown, delay: unknown = undefined, ...args: unknown[]): number {
  return start(callback('setTimeout', handler, args), clamp(delay), false).id;
}

export function setInterval(handler: unknown, delay: unknown = undefined, ...args: unknown[]): number {
  return start(callback('setInterval', handler, args), clamp(delay), true).id;
}

export function clearTimeout(id?: unknown): void {
  const timer = MapGet(byId, Number(id) | 0);
  if (timer !== undefined) stop(timer);
}

export function clearInterval(id?: unknown): void {
  clearTimeout(id);
}

const settled = PromiseResolve(undefined);

export function queueMicrotask(task: () => unknown): void {
  if (typeof task !== 'function') throw new TypeError('queueMicrotask: the callback is not a function');
  const run = bindContext(task);
  PromiseThen(settled, () => {
    try {
      run();
    } catch (error) {
      primitives().reportError(error);
    }
  });
}
