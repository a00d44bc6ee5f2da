import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createDispatcher, type DeliveredEvent, type Dispatcher } from '../../src/events/deliver.ts';
import type { DeliveryStore } from '../../src/events/delivery-store.ts';
import type { Log } from '../../src/log.ts';
import type { Clock } from '../../src/schedules/limits.ts';
import { createSchedules, type Schedules } from '../../src/schedules/schedules.ts';
import type { TickStore } from '../../src/schedules/tick-store.ts';
import type { RunInfo } from '../../src/schedules/types.ts';
import { type Database, EPOCH } from './database.ts';
import { Link } from './link.ts';
import type { PluginRow } from './memory-plugins.ts';
import type { Monitor, Running } from './monitor.ts';
import { type PluginPlan, SIMULATED_DELIVERIES, SIMULATED_SCHEDULES } from './plan.ts';
import { hashOf, type Random, randomOf } from './random.ts';
import type { World } from './world.ts';

/** The parts of the core under test; the mutants of the tests make worse ones. */
export interface Parts {
  readonly createDispatcher: typeof createDispatcher;
  readonly createSchedules: typeof createSchedules;
}

export const REAL_PARTS: Parts = { createDispatcher, createSchedules };

export interface ProcessDeps {
  readonly world: World;
  readonly database: Database;
  readonly monitor: Monitor;
  readonly parts: Parts;
  readonly plugins: readonly PluginPlan[];
  readonly log: Log;
  readonly name: string;
  readonly seed: number;
  readonly flaky: () => number;
  /** Milliseconds by which its machine's clock is off now, and the share by which it runs fast. */
  readonly skewMs: () => number;
  readonly drift: number;
  /** The jobs of a version of a plugin. */
  readonly jobsOf: (plugin: PluginPlan, digest: string) => PluginPlan['jobs'];
}

interface AtWork {
  readonly plugin: string;
  /** The isolate is gone. */
  readonly lose: () => void;
}

/** How often a process compares itself with the tables. */
const CONVERGE_MS = 700;

/** One life of a core: from its start to its end, whichever that is. */
export class Process {
  readonly owner: string;
  readonly name: string;
  readonly link: Link;
  readonly dispatcher: Dispatcher;
  readonly schedules: Schedules;
  troubles = 0;
  clockWasSet = false;
  isAlive = true;
  isReady = false;
  readonly #deps: ProcessDeps;
  readonly #random: Random;
  readonly #loaded = new Map<string, PluginRow>();
  readonly #atWork = new Set<AtWork>();
  #frozenUntil = 0;
  #converging: Promise<void> | null = null;
  #listener: { readonly onNotify: (payload: string) => void; readonly onListen: () => void } | null = null;

  constructor(deps: ProcessDeps, life: number) {
    const { world, database, parts, log, seed } = deps;
    this.#deps = deps;
    this.name = deps.name;
    this.owner = `${deps.name}.${life}`;
    this.#random = randomOf(`${seed} process ${this.owner}`);
    this.link = new Link({
      ...{ world, database, name: deps.name, flaky: deps.flaky, random: this.#random },
      resume: (fn) => this.#resume(fn),
      isAlive: () => this.isAlive,
      troubled: () => {
        this.troubles++;
      },
    });
    const { clock } = this;
    this.dispatcher = parts.createDispatcher({
      ...{ log, clock, owner: this.owner, limits: SIMULATED_DELIVERIES },
      store: remote(this.link, database.deliveries, DELIVERY_CALLS),
      random: () => this.#random.next(),
      sql: { listen: (_channel, onNotify, onListen) => this.#listen(onNotify, onListen ?? (() => undefined)) },
      sink: {
        ready: (plugin) => this.#loaded.has(plugin),
        deliver: (plugin, event, signal) => this.#deliver(plugin, event, signal),
      },
    });
    this.schedules = parts.createSchedules({
      ...{ log, clock, limits: SIMULATED_SCHEDULES },
      store: remote(this.link, database.ticks.viewOf(this.owner), TICK_CALLS),
      runner: { run: (plugin, info, signal) => this.#runJob(plugin, info, signal) },
    });
  }

  /** The clock of its machine, which is not the true one, and stands still for nobody. */
  get clock(): Clock {
    const { world, drift, skewMs } = this.#deps;
    return {
      now: () => EPOCH + Math.floor(world.now * (1 + drift)) + skewMs(),
      after: (ms, fn) => {
        let cancelled = false;
        const cancel = world.after(ms / (1 + drift), () => this.#resume(() => !cancelled && fn()));
        return () => {
          cancelled = true;
          cancel();
        };
      },
    };
  }

  get isStuck(): boolean {
    return this.link.isStuck;
  }

  /** Loads what the tables say and begins to work; rejects when the database is away. */
  async start(): Promise<void> {
    await this.converge();
    await this.dispatcher.start();
    this.isReady = true;
    const again = (): void => {
      this.clock.after(CONVERGE_MS, () => {
        this.converge().catch(() => undefined);
        again();
      });
    };
    again();
  }

  /** Ends it in good order, within bounds. */
  async stop(): Promise<void> {
    this.isReady = false;
    await this.dispatcher.stop();
    await this.schedules.stop();
  }

  /** Ends it at once: nothing that it waits for ever comes. */
  kill(): void {
    this.isAlive = false;
    this.isReady = false;
    this.troubles++;
    for (const one of [...this.#atWork]) one.lose();
  }

  /** Nothing of it moves for a while, but its isolate host does. */
  freeze(forMs: number): void {
    this.troubles++;
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#deps.world.now + forMs);
  }

  notify(payload: string): void {
    this.#resume(() => this.#listener?.onNotify(payload));
  }

  /** The connection that it listens on is there again. */
  listenAgain(): void {
    this.#resume(() => {
      if (this.link.isUp) this.#listener?.onListen();
    });
  }

  /** Makes itself like the tables. */
  async converge(): Promise<void> {
    this.#converging ??= this.#converge().finally(() => {
      this.#converging = null;
    });
    return this.#converging;
  }

  async #converge(): Promise<void> {
    const rows = await this.link.call('plugins', async () => new Map(this.#deps.database.plugins.rows));
    for (const [plugin, { install }] of [...this.#loaded]) {
      const row = rows.get(plugin);
      if (row?.enabled && row.install === install) continue;
      this.#loaded.delete(plugin);
      this.#deps.world.note(this.name, () => `takes ${plugin} down`);
      for (const one of [...this.#atWork]) if (one.plugin === plugin) one.lose();
      await this.schedules.clear(plugin).catch(() => undefined);
    }
    for (const [plugin, row] of rows) {
      const plan = this.#deps.plugins.find(({ name }) => name === plugin);
      if (!row.enabled || plan === undefined || this.#loaded.get(plugin)?.digest === row.digest) continue;
      this.#loaded.set(plugin, row);
      this.#deps.world.note(this.name, () => `loads ${plugin} ${row.digest}`);
      await this.schedules.replace(plugin, this.#deps.jobsOf(plan, row.digest), row.digest).catch(() => undefined);
      this.dispatcher.poke([plugin]);
    }
  }

  #resume(fn: () => void): void {
    if (!this.isAlive) return;
    const inMs = this.#frozenUntil - this.#deps.world.now;
    if (inMs <= 0) fn();
    else this.#deps.world.after(inMs, () => this.#resume(fn));
  }

  async #listen(onNotify: (payload: string) => void, onListen: () => void) {
    await this.link.call('listen', async () => {});
    this.#listener = { onNotify, onListen };
    onListen();
    return {
      unlisten: async () => {
        this.#listener = null;
      },
    };
  }

  #deliver(plugin: string, event: DeliveredEvent, signal: AbortSignal): Promise<void> {
    if (!this.#loaded.has(plugin)) throw new CodedError('plugin_unavailable', `${plugin} is not loaded`);
    const running = this.#deps.monitor.deliveries.begin(this, plugin, event.id, event.attempt);
    return this.#work(plugin, `${event.id} ${event.attempt}`, running, signal);
  }

  #runJob(plugin: string, info: RunInfo, signal: AbortSignal): Promise<void> {
    if (!this.#loaded.has(plugin)) throw new CodedError('plugin_unavailable', `${plugin} is not loaded`);
    const running = this.#deps.monitor.jobs.begin(this, info);
    return this.#work(plugin, `${info.name} ${info.scheduledAt} ${info.attempt}`, running, signal);
  }

  /** A handler: how long it takes and how it ends follows from what it is given. */
  #work(plugin: string, what: string, running: Running, signal: AbortSignal): Promise<void> {
    const { world, seed, plugins } = this.#deps;
    const plan = plugins.find(({ name }) => name === plugin);
    if (plan === undefined) throw new Error(`no plan for ${plugin}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const luck = randomOf(`${hashOf(`${seed} ${plugin} ${what}`)}`);
    const ms = luck.int(...plan.handlerMs);
    const isGood = !luck.chance(plan.fails);
    const end = (ok: boolean, then: () => void): void => {
      if (!this.#atWork.delete(one)) return;
      cancel();
      running.end(ok);
      this.#resume(then);
    };
    const lose = (): void => end(false, () => reject(new Error('the isolate is gone')));
    const finish = (): void => end(isGood, () => (isGood ? resolve() : reject(new Error('as planned'))));
    const one: AtWork = { plugin, lose };
    this.#atWork.add(one);
    const cancel = luck.chance(plan.hangs) ? () => {} : world.after(ms, finish);
    signal.addEventListener('abort', lose, { once: true });
    return promise;
  }
}

const DELIVERY_CALLS = [
  'nextDue',
  'claim',
  'settle',
  'bury',
  'retry',
  'release',
  'tidy',
] as const satisfies readonly (keyof DeliveryStore)[];
const TICK_CALLS = [
  ...(['sync', 'forget', 'claimTick', 'claimManual', 'claimQueued', 'noteMissed'] as const),
  ...(['keep', 'finish', 'sweep', 'setPaused', 'look'] as const),
] satisfies readonly (keyof TickStore)[];

/** A store at the other end of a link. */
function remote<T extends object>(link: Link, store: T, methods: readonly (keyof T & string)[]): T {
  const far: Record<string, unknown> = {};
  for (const name of methods) {
    const method = store[name] as (...args: unknown[]) => Promise<unknown>;
    far[name] = (...args: unknown[]) => link.call(name, () => method.apply(store, args));
  }
  return far as T;
}
