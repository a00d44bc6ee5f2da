import { EventTarget } from './event-target.ts';
import { DateNow } from './intrinsics.ts';
import { tag } from './lazy.ts';
import { primitives } from './runtime-hooks.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** `Performance` of High Resolution Time: milliseconds since the isolate was made. */
export class Performance extends EventTarget {
  readonly #start = primitives().monotonic();
  readonly #origin = DateNow();

  constructor(token?: typeof INTERNAL) {
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
    super();
  }

  get timeOrigin(): number {
    return this.#origin;
  }

  now(): number {
    return primitives().monotonic() - this.#start;
  }

  toJSON(): { timeOrigin: number } {
    return { timeOrigin: this.#origin };
  }
}
tag(Performance.prototype, 'Performance');

/** To be made once, at boot. */
export function makePerformance(): Performance {
  return new Performance(INTERNAL);
}

/** `Navigator`, with what WinterTC asks for. */
export class Navigator {
  constructor(token?: typeof INTERNAL) {
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
  }

  get userAgent(): string {
    return 'StreamSpace';
  }
}
tag(Navigator.prototype, 'Navigator');

export const navigator = new Navigator(INTERNAL);
