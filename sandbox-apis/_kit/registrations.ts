import type { Caller } from './contract.ts';

/** What a plugin added to the platform; each ends in one handler of the guest that added it. */
export type NewRegistration =
  | RouteRegistration
  | SubscriptionRegistration
  | JobRegistration
  | MethodRegistration
  | ServiceRegistration;

export interface RouteRegistration {
  readonly kind: 'route';
  readonly handler: number;
  /** Upper-case method, or `ALL`. */
  readonly method: string;
  /** Starts with `/`, below the plugin's prefix; `:param` and a trailing `*`. */
  readonly path: string;
  readonly auth: 'public' | 'user' | 'admin';
  /** Permissions of the signed-in user that the caller needs, all of them. */
  readonly permissions: readonly string[];
  readonly rateLimit: { readonly max: number; readonly windowMs: number } | null;
  /** JSON Schemas for parts of the request. */
  readonly validation: { readonly body?: unknown; readonly query?: unknown; readonly params?: unknown } | null;
  readonly summary: string | null;
}

export interface SubscriptionRegistration {
  readonly kind: 'subscription';
  readonly handler: number;
  /** An event name, or one that ends in `.*`. */
  readonly pattern: string;
  readonly once: boolean;
  /** Path below the data whose value orders the deliveries. */
  readonly orderBy?: string;
  /** The most deliveries of the plugin at a time. */
  readonly concurrency?: number;
}

export interface JobRegistration {
  readonly kind: 'job';
  readonly handler: number;
  readonly name: string;
  readonly when: { readonly cron: string; readonly timezone: string } | { readonly everyMs: number };
  /** What happens when a run is due while the last one still runs, on whichever core. */
  readonly overlap: 'skip' | 'queue' | 'allow';
  /** Which ticks are made up for that were missed while the platform was down. */
  readonly catchUp: 'none' | 'last' | 'all';
  /** Within which its ticks are put off, always by the same time, so that not all jobs begin at once. */
  readonly jitterMs: number;
  /** How often a run that did not end well is tried again. */
  readonly retries: number;
}

export interface MethodRegistration {
  readonly kind: 'method';
  readonly handler: number;
  readonly name: string;
}

/** A service that the plugin provides to the platform, should the operator choose it. */
export interface ServiceRegistration {
  readonly kind: 'service';
  readonly handler: number;
  readonly name: string;
}

/** Where rooms put what a guest registers. Errors: `registration_conflict`, `quota_exceeded`. */
export interface RegistrationSink {
  add(caller: Caller, registration: NewRegistration): number;
  remove(caller: Caller, id: number): void;
}
