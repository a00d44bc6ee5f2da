import type { Guest } from '../host/guest.ts';

/** Host calls of one isolate that are remembered: what an author needs to see where it was, small with 1,000 isolates. */
const KEPT = 20;
/** Characters of a call's name; one that is longer does not exist, and is not kept. */
const NAME_CHARS = 100;

/** A host call as a post-mortem tells it: never what was passed or answered, which may hold secrets. */
export interface HostCall {
  /** `storage.get` */
  readonly call: string;
  /** The permission that it needed, which names the host that a `fetch` went to; null when it needs none or was not asked. */
  readonly permission: string | null;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** How long it took, or has taken. */
  readonly ms: number;
  /** `ok`, the code of the error that it was answered with, or `pending`. */
  readonly outcome: string;
}

/** One call on the trail. */
export class Step {
  readonly name: string;
  readonly started = performance.now();
  permission: string | null = null;
  ended: number | null = null;
  outcome = 'pending';

  constructor(name: string) {
    this.name = name;
  }

  /** Notes how it ended; only the first time counts. @param outcome `ok`, or an error's code */
  end(outcome: string): void {
    if (this.ended !== null) return;
    this.ended = performance.now();
    this.outcome = outcome;
  }
}

/** The last calls of each isolate, in a ring: it is on the path of every host call, so it does next to nothing. */
export class CallTrail {
  readonly #rings = new Map<Guest, { readonly steps: Step[]; next: number }>();

  /** @param name the JSON text of the call's name, as it came in */
  begin(guest: Guest, name: string): Step {
    let ring = this.#rings.get(guest);
    if (ring === undefined) {
      ring = { steps: [], next: 0 };
      this.#rings.set(guest, ring);
    }
    const step = new Step(name.length > NAME_CHARS ? `a name of ${name.length} characters` : name);
    ring.steps[ring.next] = step;
    ring.next = (ring.next + 1) % KEPT;
    return step;
  }

  /** The calls as of now, the oldest first. */
  of(guest: Guest): HostCall[] {
    const ring = this.#rings.get(guest);
    if (ring === undefined) return [];
    const now = performance.now();
    const ordered = [...ring.steps.slice(ring.next), ...ring.steps.slice(0, ring.next)];
    return ordered.map(({ name, permission, started, ended, outcome }) => ({
      call: /^"(.*)"$/s.exec(name)?.[1] ?? name,
      permission,
      at: new Date(performance.timeOrigin + started).toISOString(),
      ms: milliseconds((ended ?? now) - started),
      outcome,
    }));
  }

  /** Forgets an isolate: it is gone, and its post-mortem has taken what it needs. */
  drop(guest: Guest): void {
    this.#rings.delete(guest);
  }
}

function milliseconds(exact: number): number {
  return Math.round(exact * 100) / 100;
}
