import type { Db } from '../db/client.ts';
import { publish } from '../events/publish.ts';
import type { Guest, Loss, UnderWay } from '../host/guest.ts';
import { HOST_LIMITS } from '../host/limits.ts';
import type { Death } from '../post-mortems/describe-loss.ts';
import type { PostMortems } from '../post-mortems/post-mortems.ts';
import type { Outcome } from '../post-mortems/record.ts';
import type { Instance } from './instance.ts';
import { LIFECYCLE_LIMITS } from './limits.ts';
import type { LoaderDeps } from './loader.ts';
import type { Plugin } from './plugin.ts';
import { SYSTEM, writeAudit } from './requests.ts';
import { updatePlugin } from './store.ts';

export interface RecoveryDeps {
  readonly db: Db;
  readonly loader: Pick<LoaderDeps, 'residents' | 'meters' | 'logOf'>;
  readonly get: (plugin: string) => Plugin | undefined;
  /** Loads a plugin in state `loading`; its failure becomes its state. */
  readonly bringUp: (plugin: Plugin) => Promise<void>;
  readonly drain: (instance: Instance) => Promise<void>;
  readonly postMortems: Pick<PostMortems, 'record'>;
}

/** What happens when a plugin loses its isolate: it gets another, unless it loses them all the time. */
export class Recovery {
  readonly #deps: RecoveryDeps;

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  /**
   * An isolate was lost. One that went with its process is loaded again when the next process is there; whoever may have
   * brought it down is then alone in one, so that the next time there is no doubt.
   */
  onGone(guest: Guest, loss: Loss): void {
    const plugin = this.#residentOf(guest);
    if (plugin === undefined) return;
    const isLive = plugin.instance?.guest === guest;
    if (isLive) {
      plugin.state = { kind: 'loading' };
      this.#deps.loader.meters.of(plugin.name).restarted();
    }
    const { reason, verdict, detail } = loss;
    if (reason !== 'host') {
      if (!isLive) {
        this.#record(plugin, guest, loss, 'dropped');
        return;
      }
      this.#deps.loader.logOf(plugin.name)('error', `The isolate was lost: ${reason}`);
      void this.#strike(plugin, reason, 1, (outcome) => this.#record(plugin, guest, loss, outcome));
      return;
    }
    if (verdict === 'bystander') return;
    plugin.apartUntil = performance.now() + HOST_LIMITS.apartMs;
    this.#deps.loader.logOf(plugin.name)('error', `Its process was lost while it ran (${verdict}): ${detail}`);
    if (verdict === 'suspect') {
      this.#record(plugin, guest, loss, isLive ? 'reloaded' : 'dropped');
      return;
    }
    const record = (outcome: Outcome): void => this.#record(plugin, guest, loss, outcome);
    void this.#strike(plugin, detail, LIFECYCLE_LIMITS.hostStrikes, record);
  }

  /** A call went over its deadline: the isolate may be stuck, so nothing new goes there. Another takes over, it drains. */
  onDeadline(guest: Guest, underWay: readonly UnderWay[]): void {
    const plugin = this.#livesIn(guest);
    const live = plugin?.instance;
    if (plugin === null || live == null) return;
    this.#deps.loader.logOf(plugin.name)('error', 'A call went over its deadline: the isolate is replaced');
    const death = { reason: 'deadline', verdict: 'culprit', error: null, detail: 'the isolate is replaced' } as const;
    this.#record(plugin, guest, { ...death, underWay }, 'replaced');
    this.#deps.loader.meters.of(plugin.name).restarted();
    plugin.state = { kind: 'loading' };
    void this.#deps.bringUp(plugin);
    void this.#deps.drain(live);
  }

  /** The plugin whose live instance is in that isolate. */
  #livesIn(guest: Guest): Plugin | null {
    const plugin = this.#residentOf(guest);
    return plugin?.instance?.guest === guest ? plugin : null;
  }

  /** The plugin that the isolate was made for: it may be its live one, one that drains, or one that is being loaded. */
  #residentOf(guest: Guest): Plugin | undefined {
    const resident = this.#deps.loader.residents.get(guest.id);
    return resident === undefined ? undefined : this.#deps.get(resident.plugin);
  }

  /** One that is not installed yet has no history. */
  #record(plugin: Plugin, guest: Guest, death: Death, outcome: Outcome): void {
    const inhabitant = this.#deps.loader.residents.get(guest.id);
    if (inhabitant !== undefined && plugin.row.id !== 0) {
      this.#deps.postMortems.record(guest, inhabitant, death, outcome);
    }
  }

  async #strike(plugin: Plugin, reason: string, weight: number, record: (outcome: Outcome) => void): Promise<void> {
    // One that is not installed yet fails to be.
    if (plugin.row.id === 0) return;
    const now = performance.now();
    plugin.strikes = [...plugin.strikes, ...Array.from({ length: weight }, () => now)].slice(-MOST_STRIKES);
    const broken = LIFECYCLE_LIMITS.strikeRules.find(
      ({ strikes, windowMs }) => plugin.strikes.filter((at) => now - at < windowMs).length >= strikes,
    );
    record(broken === undefined ? 'reloaded' : 'quarantined');
    if (broken === undefined) {
      if (weight > 1) {
        plugin.pausedUntil = now + LIFECYCLE_LIMITS.culpritPauseMs;
        await Bun.sleep(LIFECYCLE_LIMITS.culpritPauseMs);
      }
      await this.#deps.bringUp(plugin);
      return;
    }
    await this.#quarantine(
      plugin,
      `it lost its isolate too often: ${broken.strikes} strikes in ${broken.windowMs / 1000} s (${reason})`,
    );
  }

  async #quarantine(plugin: Plugin, why: string): Promise<void> {
    // At once: nothing is to bring it up meanwhile.
    plugin.state = { kind: 'quarantined', reason: why };
    await plugin.inTurn(async () => {
      plugin.instance?.guest.dispose();
      plugin.state = { kind: 'quarantined', reason: why };
      plugin.row = await this.#deps.db.transaction().execute(async (trx) => {
        await publish(trx, { name: 'plugin.quarantined', data: { plugin: plugin.name, reason: why } });
        await writeAudit(trx, SYSTEM, 'plugin.quarantined', plugin.name, { reason: why });
        return updatePlugin(trx, plugin.name, { quarantineReason: why });
      });
    });
  }
}

/** Strikes that any rule asks for. */
const MOST_STRIKES = Math.max(...LIFECYCLE_LIMITS.strikeRules.map(({ strikes }) => strikes));
