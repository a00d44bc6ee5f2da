import type { Database } from './database.ts';
import type { DeliveryRow, DeliveryWatch, MemorySubscription } from './memory-deliveries.ts';
import type { Findings, Runner, Running } from './monitor.ts';
import { type PluginPlan, SIMULATED_DELIVERIES } from './plan.ts';

interface Held {
  readonly owner: string;
  readonly attempt: number;
  readonly at: number;
  /** By the true time. */
  readonly leaseUntil: number;
}

interface AtWork extends Running {
  readonly runner: Runner;
  /** Its runner's, when it began. */
  readonly troubles: number;
  readonly held: Held;
}

interface Delivery {
  readonly row: DeliveryRow;
  readonly install: number;
  readonly storedAt: number;
  readonly claims: Held[];
  readonly atWork: Set<AtWork>;
  /** Handlers that ended well. */
  readonly successes: AtWork[];
  firstRunAt: number | null;
  /** When its plugin was uninstalled. */
  goneAt: number | null;
  recordedAt: number | null;
  /** How its last handler ended. */
  lastOk: boolean | null;
}

/** Longer than any delivery waits that nothing stands in the way of: a hint that nobody heard, and a slow statement. */
const PROMPT_MS = SIMULATED_DELIVERIES.pollMs * 1.1 + 1_500;

/** Notes what may not happen to deliveries. */
export class DeliveryMonitor implements DeliveryWatch {
  readonly #findings: Findings;
  readonly #byId = new Map<number, Delivery>();
  readonly #byEvent = new Map<string, Delivery>();
  #database: Database | null = null;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  observe(database: Database): void {
    this.#database = database;
    database.plugins.onDelete((plugin) => {
      for (const delivery of this.#byId.values()) {
        if (delivery.row.plugin === plugin) delivery.goneAt ??= this.#now;
      }
    });
  }

  stored(row: DeliveryRow): void {
    this.#findings.counts.deliveries++;
    const delivery: Delivery = {
      ...{
        row,
        install: this.#installOf(row.plugin),
        storedAt: this.#now,
        claims: [],
        atWork: new Set(),
        successes: [],
      },
      ...{ firstRunAt: null, goneAt: null, recordedAt: null, lastOk: null },
    };
    this.#byId.set(row.id, delivery);
    this.#byEvent.set(`${row.plugin} ${row.event.id}`, delivery);
    this.#findings.world.note('store', () => `stored ${label(row)}`);
  }

  redelivered(row: DeliveryRow): void {
    const delivery = this.#byId.get(row.id);
    if (delivery) Object.assign(delivery, { successes: [], recordedAt: null, lastOk: null });
  }

  claimed(row: DeliveryRow, owner: string): void {
    const delivery = this.#byId.get(row.id);
    if (!delivery) return;
    if (delivery.goneAt !== null) this.#violate(`${label(row)} was claimed after the uninstall`);
    if (delivery.recordedAt !== null) this.#violate(`${label(row)} was claimed after its success was recorded`);
    const leaseUntil = this.#now + (row.dueAt - this.#storeNow);
    delivery.claims.push({ owner, attempt: row.attempts, at: this.#now, leaseUntil });
    this.#findings.world.note('store', () => `${owner} claims ${label(row)}, attempt ${row.attempts}`);
  }

  ended(row: DeliveryRow): void {
    const delivery = this.#byId.get(row.id);
    if (!delivery) return;
    this.#findings.world.note('store', () => `${label(row)} is ${row.state}`);
    if (row.state === 'done') {
      if (delivery.successes.length === 0) this.#violate(`${label(row)} was recorded, but no handler had succeeded`);
      delivery.recordedAt = this.#now;
      return;
    }
    this.#findings.counts.dead++;
    if (row.attempts < SIMULATED_DELIVERIES.maxAttempts) {
      this.#violate(`${label(row)} became a dead letter at attempt ${row.attempts}`);
    }
    if (delivery.lastOk !== false)
      this.#violate(`${label(row)} became a dead letter, but its last handler had not failed`);
  }

  /** A handler begins. */
  begin(runner: Runner, plugin: string, eventId: string, attempt: number): Running {
    const delivery = this.#byEvent.get(`${plugin} ${eventId}`);
    const held = delivery?.claims.findLast((one) => one.owner === runner.owner && one.attempt === attempt);
    if (!delivery || !held) {
      this.#violate(`${plugin} was given ${eventId}, which ${runner.name} had not claimed`);
      throw new Error('not claimed');
    }
    const { row } = delivery;
    const { counts, world } = this.#findings;
    counts.handlers++;
    delivery.firstRunAt ??= this.#now;
    if (delivery.goneAt !== null && held.at > delivery.goneAt) this.#violate(`${label(row)} ran after the uninstall`);
    this.#findings.leased(label(row), runner, held.leaseUntil - this.#now);
    this.#checkRecord(runner, delivery, held);
    this.#checkOthers(runner, delivery);
    const one: AtWork = {
      ...{ runner, held, troubles: runner.troubles },
      end: (ok) => {
        delivery.atWork.delete(one);
        delivery.lastOk = ok;
        if (ok) delivery.successes.push(one);
        world.note(runner.name, () => `${label(row)} ${ok ? 'succeeds' : 'fails'}`);
      },
    };
    delivery.atWork.add(one);
    world.note(runner.name, () => `${label(row)} begins, attempt ${attempt}`);
    return one;
  }

  /** What must be true once everything has had time to become right again. */
  conclude(plans: readonly PluginPlan[]): void {
    const isFree = ({ orderBy, concurrency }: MemorySubscription) => orderBy === undefined && concurrency === undefined;
    const prompt = new Set(
      plans.filter((one) => one.fails + one.hangs === 0 && one.subscriptions.every(isFree)).map(({ name }) => name),
    );
    for (const { row, goneAt, storedAt, firstRunAt } of this.#byId.values()) {
      if (goneAt !== null) continue;
      if (row.state === 'pending') this.#violate(`${label(row)} waits for ever, after ${row.attempts} attempts`);
      const waitedMs = (firstRunAt ?? 0) - storedAt;
      if (this.#findings.calm && prompt.has(row.plugin) && waitedMs > PROMPT_MS) {
        this.#violate(`${label(row)} waited for ${Math.round(waitedMs)} ms, though nothing was in its way`);
      }
    }
  }

  /** Whether something that may still end well has not. */
  get isBusy(): boolean {
    return [...this.#byId.values()].some(({ row, goneAt }) => goneAt === null && row.state === 'pending');
  }

  #checkRecord(runner: Runner, { row, recordedAt, successes }: Delivery, held: Held): void {
    if (recordedAt !== null) {
      if (held.at > recordedAt) this.#violate(`${label(row)} ran after its success was recorded`);
      else this.#findings.counts.late++;
    }
    if (successes.length === 0) return;
    this.#findings.counts.repeats++;
    const isExcused = successes.every((one) => one.runner.isStuck || one.runner.troubles > one.troubles);
    if (!isExcused) this.#violate(`${label(row)} ran again on ${runner.name}, and nothing had gone wrong`);
  }

  #checkOthers(runner: Runner, delivery: Delivery): void {
    const { row, install } = delivery;
    let others = 0;
    for (const other of this.#byId.values()) {
      if (other.row.plugin !== row.plugin || other.install !== install) continue;
      // One that runs again as its first success is recorded at last has lost its turn with that.
      const leaseEndsIn = ({ held }: AtWork): number =>
        other.row.state === 'pending' ? held.leaseUntil - this.#now : 0;
      others += [...other.atWork].filter((one) => leaseEndsIn(one) > 0).length;
      const isOfKey = row.key !== null && other.row.key === row.key;
      if (other !== delivery && !isOfKey) continue;
      for (const one of other.atWork) this.#findings.beside(label(row), runner, label(other.row), leaseEndsIn(one));
      if (other.row.id < row.id && other.row.state === 'pending' && other.goneAt === null) {
        this.#violate(`${label(row)} ran before ${label(other.row)}, which comes first`);
      }
    }
    const most = this.#database?.deliveries.concurrencyOf(row.plugin) ?? 0;
    if (others >= most && !runner.clockWasSet)
      this.#violate(`${label(row)} ran beside ${others} others of ${most} at a time`);
  }

  #violate(what: string): void {
    this.#findings.violate(what);
  }

  #installOf(plugin: string): number {
    return this.#database?.plugins.rows.get(plugin)?.install ?? 0;
  }

  get #now(): number {
    return this.#findings.world.now;
  }

  get #storeNow(): number {
    return this.#database?.now() ?? 0;
  }
}

function label({ plugin, event, key, id }: DeliveryRow): string {
  return `delivery ${id} (${event.id} to ${plugin}${key === null ? '' : `, key ${key}`})`;
}
