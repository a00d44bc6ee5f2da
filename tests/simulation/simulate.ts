import { createLog } from '../../src/log.ts';
import { Database, TABLES, type Tables } from './database.ts';
import { type Counts, Monitor } from './monitor.ts';
import { type Action, CHAOS_MS, HEAL_MS, type Plan, type PluginPlan } from './plan.ts';
import { type Parts, REAL_PARTS } from './process.ts';
import { type Random, randomOf } from './random.ts';
import { Replica } from './replica.ts';
import { World } from './world.ts';

export interface Outcome {
  /** What happened and may not; empty when all is well. */
  readonly violations: readonly string[];
  readonly counts: Counts;
  readonly steps: number;
  readonly trace: readonly string[];
}

export interface Options {
  readonly traced?: boolean;
  readonly parts?: Parts;
  readonly tables?: Tables;
}

/** Makes a plan come true, and judges what came of it. */
export function simulate(plan: Plan, options: Options = {}): Outcome {
  const simulation = new Simulation(plan, options);
  try {
    simulation.run();
  } catch (error) {
    simulation.monitor.findings.violate(`it broke: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const { violations, counts } = simulation.monitor.findings;
  return { violations, counts, steps: simulation.world.steps, trace: simulation.world.trace };
}

class Simulation {
  readonly world: World;
  readonly monitor: Monitor;
  readonly #plan: Plan;
  readonly #database: Database;
  readonly #replicas: readonly Replica[];
  readonly #random: Random;
  readonly #versions = new Map<string, number>();
  #isHealed = false;
  #events = 0;

  constructor(plan: Plan, { traced = false, parts = REAL_PARTS, tables = TABLES }: Options) {
    this.#plan = plan;
    const world = new World(traced);
    this.world = world;
    this.monitor = new Monitor(world, plan.calm);
    this.#database = new Database(world, this.monitor, tables);
    this.#random = randomOf(`${plan.seed} world`);
    const log = createLog(traced ? 'info' : 'silent', { write: (line) => world.note('log', () => line.trim()) });
    this.#replicas = plan.replicas.map(
      ({ skewMs, drift }, i) =>
        new Replica({
          ...{
            world,
            database: this.#database,
            monitor: this.monitor,
            parts,
            plugins: plan.plugins,
            log,
            skewMs,
            drift,
          },
          ...{ name: `core${i}`, seed: plan.seed, flaky: () => (this.#isHealed ? 0 : plan.flaky), jobsOf },
        }),
    );
  }

  run(): void {
    const { world } = this;
    for (const { name } of this.#plan.plugins) this.#install(name);
    for (const [i, replica] of this.#replicas.entries()) world.after(i * 50, () => replica.start());
    for (const action of this.#plan.actions) world.after(action.at, () => this.#act(action));
    world.run(CHAOS_MS + 4_000);
    this.#heal();
    // At least as long as leases and the account of ticks take, then until all is done.
    world.run(world.now + 6_000);
    while (this.monitor.deliveries.isBusy && world.now < CHAOS_MS + HEAL_MS) world.run(world.now + 1_000);
    this.monitor.deliveries.conclude(this.#plan.plugins);
    this.monitor.jobs.conclude();
  }

  /** From here on nothing goes wrong any more. */
  #heal(): void {
    this.world.note('', () => 'nothing goes wrong any more');
    this.#isHealed = true;
    this.#database.slowness = 1;
    this.#setUp(true);
    for (const replica of this.#replicas) {
      if (replica.process) replica.mend(replica.process);
      replica.start();
    }
  }

  #act(action: Action): void {
    const replica = 'replica' in action ? (this.#replicas[action.replica] as Replica) : null;
    switch (action.kind) {
      case 'publish':
        this.#publish(replica as Replica, action.name, action.key);
        break;
      case 'crash':
      case 'restart':
      case 'freeze':
      case 'cut':
        replica?.[action.kind](action.forMs);
        break;
      case 'step':
        replica?.step(action.byMs);
        break;
      case 'outage':
        this.#setUp(false);
        this.world.after(action.forMs, () => this.#setUp(true));
        break;
      case 'slow':
        this.#database.slowness = 30;
        this.world.after(action.forMs, () => {
          this.#database.slowness = 1;
        });
        break;
      case 'redeliver':
        this.#redeliver(action.plugin);
        break;
      case 'pause':
      case 'resume':
      case 'run':
        this.#onJob(replica as Replica, action);
        break;
      default:
        this.#change(action.kind, action.plugin);
        // This replica made the change; the others hear of it when they look.
        replica?.process?.converge().catch(() => undefined);
    }
  }

  #publish(replica: Replica, name: string, key: string): void {
    const process = replica.process;
    if (!process?.isReady) return;
    const id = `e${++this.#events}`;
    const store = async (): Promise<string[]> => {
      const told = this.#database.deliveries.publish({ id, name, data: { key } });
      if (told.length > 0) this.#notify(told.join(' '));
      return told;
    };
    process.link.call('publish', store).then(
      (told) => process.dispatcher.poke(told),
      () => undefined,
    );
  }

  /** Some hear it, some twice, some never. */
  #notify(payload: string): void {
    const random = this.#random;
    for (const { process } of this.#replicas) {
      const times = random.chance(this.#plan.deaf) ? 0 : random.pick([1, 1, 1, 2]);
      for (let i = 0; i < times; i++) {
        this.world.after(random.int(1, 40), () => {
          if (process?.link.isUp) process.notify(payload);
        });
      }
    }
  }

  #setUp(isUp: boolean): void {
    if (this.#database.isUp === isUp) return;
    this.world.note('store', () => (isUp ? 'is back' : 'is away'));
    this.#database.isUp = isUp;
    for (const { process } of this.#replicas) {
      if (!process) continue;
      process.troubles++;
      if (isUp) this.world.after(100, () => process.listenAgain());
    }
  }

  #change(kind: 'uninstall' | 'install' | 'upgrade' | 'disable' | 'enable', plugin: string): void {
    const { plugins, deliveries } = this.#database;
    const plan = this.#plan.plugins.find(({ name }) => name === plugin) as PluginPlan;
    const isThere = plugins.rows.has(plugin);
    if (isThere === (kind === 'install')) return;
    this.world.note('store', () => `${kind} ${plugin}`);
    if (kind === 'install') this.#install(plugin);
    else if (kind === 'uninstall') plugins.uninstall(plugin);
    else if (kind === 'upgrade') plugins.change(plugin, { digest: this.#nextDigest(plugin) });
    else {
      plugins.change(plugin, { enabled: kind === 'enable' });
      deliveries.subscribe(plugin, kind === 'enable' ? plan.subscriptions : []);
    }
  }

  #install(plugin: string): void {
    const plan = this.#plan.plugins.find(({ name }) => name === plugin) as PluginPlan;
    this.#database.plugins.install(plugin, this.#nextDigest(plugin));
    this.#database.deliveries.subscribe(plugin, plan.subscriptions);
  }

  #nextDigest(plugin: string): string {
    const version = (this.#versions.get(plugin) ?? 0) + 1;
    this.#versions.set(plugin, version);
    return `v${version}`;
  }

  /** Of those without a key: in the order of a key a delivery that comes again has no place. */
  #redeliver(plugin: string): void {
    for (const row of this.#database.deliveries.rows.values()) {
      if (row.plugin !== plugin || row.state !== 'dead' || row.key !== null) continue;
      this.world.note('store', () => `${row.event.id} of ${plugin} is delivered again`);
      this.#database.deliveries.redeliver(row.id);
      this.monitor.deliveries.redelivered(row);
    }
  }

  #onJob({ process }: Replica, { kind, plugin, job }: Action & { kind: 'pause' | 'resume' | 'run' }): void {
    if (!process?.isReady) return;
    const { schedules } = process;
    const done =
      kind === 'run' ? schedules.runNow(plugin, job) : schedules.pause(plugin, job, kind === 'pause' ? 'ada' : null);
    // It may be there no more, or run, or the database may be away.
    done.catch(() => undefined);
  }
}

/** Every second version has a job less. */
function jobsOf({ jobs }: PluginPlan, digest: string): PluginPlan['jobs'] {
  return jobs.length > 1 && Number(digest.slice(1)) % 2 === 0 ? jobs.slice(0, -1) : jobs;
}
