import type { Db } from '../db/client.ts';
import { publish } from '../events/publish.ts';
import type { Guest } from '../host/guest.ts';
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
}

/** What happens when a plugin loses its isolate: it gets another, unless it loses them all the time. */
export class Recovery {
  readonly #deps: RecoveryDeps;

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  /** The live isolate was lost. One that went with its host is loaded again when the next host is there. */
  onGone(guest: Guest, reason: string): void {
    const plugin = this.#livesIn(guest);
    if (plugin === null) return;
    plugin.state = { kind: 'loading' };
    this.#deps.loader.meters.of(plugin.name).restarted();
    if (reason === 'host') return;
    this.#deps.loader.logOf(plugin.name)('error', `The isolate was lost: ${reason}`);
    void this.#strike(plugin, reason);
  }

  /** A call went over its deadline: the isolate may be stuck, so nothing new goes there. Another takes over, it drains. */
  onDeadline(guest: Guest): void {
    const plugin = this.#livesIn(guest);
    const live = plugin?.instance;
    if (plugin === null || live == null) return;
    this.#deps.loader.logOf(plugin.name)('error', 'A call went over its deadline: the isolate is replaced');
    this.#deps.loader.meters.of(plugin.name).restarted();
    plugin.state = { kind: 'loading' };
    void this.#deps.bringUp(plugin);
    void this.#deps.drain(live);
  }

  /** The plugin whose live instance is in that isolate. */
  #livesIn(guest: Guest): Plugin | null {
    const resident = this.#deps.loader.residents.get(guest.id);
    const plugin = resident === undefined ? undefined : this.#deps.get(resident.plugin);
    return plugin?.instance?.guest === guest ? plugin : null;
  }

  async #strike(plugin: Plugin, reason: string): Promise<void> {
    const now = performance.now();
    plugin.strikes = [...plugin.strikes.filter((at) => now - at < LIFECYCLE_LIMITS.strikeWindowMs), now];
    if (plugin.strikes.length < LIFECYCLE_LIMITS.strikes) {
      await this.#deps.bringUp(plugin);
      return;
    }
    const why = `it lost ${plugin.strikes.length} isolates within a minute (${reason})`;
    await plugin.inTurn(async () => {
      plugin.state = { kind: 'quarantined', reason: why };
      plugin.row = await this.#deps.db.transaction().execute(async (trx) => {
        await publish(trx, { name: 'plugin.quarantined', data: { plugin: plugin.name, reason: why } });
        await writeAudit(trx, SYSTEM, 'plugin.quarantined', plugin.name, { reason: why });
        return updatePlugin(trx, plugin.name, { quarantineReason: why });
      });
    });
  }
}
