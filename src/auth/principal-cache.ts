import type { Principal } from './principal.ts';

/** How long a principal is remembered; what changes is forgotten at once, here and, by a notification, on other cores. */
const TTL_MS = 5_000;
/** About 400 bytes each, so 4 MB at most. */
const MAX_ENTRIES = 10_000;

interface Entry {
  readonly principal: Principal;
  readonly until: number;
}

/** Principals by the hash of their token, so that a request on a busy endpoint does not ask the database. */
export class PrincipalCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  readonly #ttlMs: number;
  #epoch = 0;

  /** @param ttlMs how long a change by another core may go unseen when its notification is lost */
  constructor(now: () => number = Date.now, ttlMs: number = TTL_MS) {
    this.#now = now;
    this.#ttlMs = ttlMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Read it before the look-up whose result is put: an invalidation in between makes the result stale. */
  get epoch(): number {
    return this.#epoch;
  }

  get(hash: string): Principal | null {
    const entry = this.#entries.get(hash);
    if (!entry) return null;
    if (entry.until > this.#now()) return entry.principal;
    this.#entries.delete(hash);
    return null;
  }

  /** Keeps the principal for a few seconds, never past `expiresAt` (ms since 1970), unless `epoch` has passed. */
  put(hash: string, principal: Principal, expiresAt: number, epoch: number): void {
    if (epoch !== this.#epoch) return;
    if (this.#entries.size >= MAX_ENTRIES) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(hash, { principal, until: Math.min(this.#now() + this.#ttlMs, expiresAt) });
  }

  /** Forgets what `stale` says yes to; look-ups under way are not kept either. */
  invalidate(stale: (principal: Principal) => boolean): void {
    this.#epoch += 1;
    for (const [hash, entry] of this.#entries) if (stale(entry.principal)) this.#entries.delete(hash);
  }
}
