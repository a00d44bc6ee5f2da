import { Memoirist } from 'memoirist';
import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type {
  JobRegistration,
  MethodRegistration,
  NewRegistration,
  RegistrationSink,
  RouteRegistration,
  ServiceRegistration,
  SubscriptionRegistration,
} from '../../sandbox-apis/_kit/registrations.ts';
import { API_LIMITS } from '../../sandbox-apis/api/contract.ts';
import { EVENT_LIMITS } from '../../sandbox-apis/events/patterns.ts';
import { SCHEDULER_LIMITS } from '../../sandbox-apis/scheduler/limits.ts';
import { SERVICE_LIMITS } from '../../sandbox-apis/services/limits.ts';
import { type RouteChecks, routeChecks } from './route-checks.ts';

/** Registrations that one plugin may hold; each costs the core memory, and the rooms say why so many. */
const MAX_REGISTRATIONS: Readonly<Record<NewRegistration['kind'], number>> = {
  route: API_LIMITS.routes,
  subscription: EVENT_LIMITS.subscriptions,
  job: SCHEDULER_LIMITS.jobs,
  method: 200,
  service: SERVICE_LIMITS.registrations,
};

export interface Route {
  readonly registration: RouteRegistration;
  readonly checks: RouteChecks | null;
}

/** What one isolate registered: its own until the load has succeeded, then what the platform routes to. */
export class RegistrationSet {
  readonly #all = new Map<number, NewRegistration>();
  readonly #keys = new Map<string, number>();
  #router: Memoirist<Route> | null = null;
  #lastId = 0;
  /** Told of changes after the set went live. */
  onChange: ((kind: NewRegistration['kind']) => void) | null = null;
  /** It is not what the load brought any more: another load would lose the difference. */
  changed = false;

  static of(registrations: Iterable<NewRegistration>): RegistrationSet {
    const set = new RegistrationSet();
    for (const registration of registrations) set.add(registration);
    return set;
  }

  /** All of them, in the order in which they were made. */
  list(): NewRegistration[] {
    return [...this.#all.values()];
  }

  add(registration: NewRegistration): number {
    const { kind } = registration;
    if (this.#of(kind).length >= MAX_REGISTRATIONS[kind]) {
      throw new CodedError('quota_exceeded', `A plugin may hold ${MAX_REGISTRATIONS[kind]} registrations of a ${kind}`);
    }
    if (registration.kind === 'subscription') this.#assertOneOrder(registration);
    const key = keyOf(registration);
    if (key !== null && this.#keys.has(key)) {
      throw new CodedError('registration_conflict', `${key} is registered already`);
    }
    this.#lastId += 1;
    this.#all.set(this.#lastId, registration);
    if (key !== null) this.#keys.set(key, this.#lastId);
    this.#changed(kind);
    return this.#lastId;
  }

  remove(id: number): void {
    const registration = this.#all.get(id);
    if (registration === undefined) return;
    this.#all.delete(id);
    const key = keyOf(registration);
    if (key !== null) this.#keys.delete(key);
    this.#changed(registration.kind);
  }

  get routes(): RouteRegistration[] {
    return this.#of('route');
  }
  get subscriptions(): SubscriptionRegistration[] {
    return this.#of('subscription');
  }
  get jobs(): JobRegistration[] {
    return this.#of('job');
  }
  get methods(): MethodRegistration[] {
    return this.#of('method');
  }
  get services(): ServiceRegistration[] {
    return this.#of('service');
  }

  /** The endpoint for a method and a path below the prefix; `ALL` answers what nothing else does. */
  find(method: string, path: string): { store: Route; params: Record<string, string> } | null {
    this.#router ??= buildRouter(this.routes);
    const router = this.#router;
    return (
      router.find(method, path) ?? (method === 'HEAD' ? router.find('GET', path) : null) ?? router.find('ALL', path)
    );
  }

  /** Methods that answer on a path: for 405 and OPTIONS. */
  methodsOn(path: string): string[] {
    this.#router ??= buildRouter(this.routes);
    const methods = [...new Set(this.routes.map((route) => route.method))];
    return methods.filter((method) => this.#router?.find(method, path) != null);
  }

  /** An event has one delivery to the plugin, so one key. */
  #assertOneOrder({ pattern, orderBy }: SubscriptionRegistration): void {
    const other = this.subscriptions.find((one) => one.pattern === pattern && one.orderBy !== undefined)?.orderBy;
    if (orderBy === undefined || other === undefined || other === orderBy) return;
    throw new CodedError('registration_conflict', `"${pattern}" is ordered by "${other}" already, not by "${orderBy}"`);
  }

  #of<K extends NewRegistration['kind']>(kind: K): Extract<NewRegistration, { kind: K }>[] {
    return [...this.#all.values()].filter(
      (registration): registration is Extract<NewRegistration, { kind: K }> => registration.kind === kind,
    );
  }

  #changed(kind: NewRegistration['kind']): void {
    if (kind === 'route') this.#router = null;
    if (this.onChange !== null) this.changed = true;
    this.onChange?.(kind);
  }
}

function keyOf(registration: NewRegistration): string | null {
  switch (registration.kind) {
    case 'route':
      // Two spellings of one pattern are one route.
      return `${registration.method} ${registration.path.replace(/:[^/]+/g, ':')}`;
    case 'job':
      return `job "${registration.name}"`;
    case 'method':
      return `method "${registration.name}"`;
    case 'service':
      return `service "${registration.name}"`;
    case 'subscription':
      return null;
  }
}

function buildRouter(routes: readonly RouteRegistration[]): Memoirist<Route> {
  const router = new Memoirist<Route>();
  for (const registration of routes) {
    router.add(registration.method, registration.path, { registration, checks: routeChecks(registration) });
  }
  return router;
}

/** Where the rooms put registrations: into the set of the isolate that calls. */
export class Registrations implements RegistrationSink {
  readonly #sets = new Map<number, RegistrationSet>();

  open(isolate: number): RegistrationSet {
    const set = new RegistrationSet();
    this.#sets.set(isolate, set);
    return set;
  }

  close(isolate: number): void {
    this.#sets.delete(isolate);
  }

  add(caller: Caller, registration: NewRegistration): number {
    const set = this.#sets.get(caller.isolate);
    if (set === undefined) throw new CodedError('aborted', 'The isolate is being disposed');
    return set.add(registration);
  }

  remove(caller: Caller, id: number): void {
    this.#sets.get(caller.isolate)?.remove(id);
  }
}
