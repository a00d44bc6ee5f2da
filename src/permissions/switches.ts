import type { RoomContract } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import { Turns } from '../events/turns.ts';
import { audit } from './audit.ts';

/** A capability that an admin cut off from a plugin. */
export interface SwitchedOff {
  readonly capability: string;
  readonly at: Date;
  /** User id; null when that user is no more. */
  readonly by: string | null;
  readonly reason: string | null;
}

/** What a room offers for switching. */
export interface Capability {
  readonly name: string;
  readonly summary: string;
  /** Why it cannot be switched off; null when it can. */
  readonly fixed: string | null;
}

export interface SwitchChange {
  readonly on: boolean;
  readonly reason: string | null;
  /** Id of the user who asks. */
  readonly by: string;
}

export interface SwitchesDeps {
  readonly db: Db;
  readonly contracts: readonly RoomContract[];
  /** Told once it holds: to end what is under way, or to wake what waited. */
  readonly onChange: (plugin: string, capability: string, on: boolean) => void;
}

/** Rooms that reach nothing outside of the plugin: to cut them would take from the admin, or from nobody. */
const FIXED: Readonly<Record<string, string>> = {
  config: 'It is only the configuration that you gave the plugin; there is nothing to cut.',
  log: 'The log is how you see what the plugin does; its rate is limited already.',
  budget: 'It only tells the plugin what is left of its own limits.',
};

/** One switch for each plugin and capability. The view in memory is what the gate reads; the table outlives a restart. */
export class Switches {
  readonly #deps: SwitchesDeps;
  readonly #off = new Map<string, Map<string, SwitchedOff>>();
  readonly #turns = new Turns();
  readonly capabilities: readonly Capability[];

  constructor(deps: SwitchesDeps) {
    this.#deps = deps;
    this.capabilities = deps.contracts.map(({ name, summary }) => ({ name, summary, fixed: FIXED[name] ?? null }));
  }

  /** Reads what is off; before any plugin runs. */
  async open(): Promise<void> {
    const rows = await this.#deps.db.selectFrom('plugin_switches').selectAll().execute();
    for (const { plugin_name, capability, off_at, off_by, reason } of rows) {
      this.#put(plugin_name, { capability, at: off_at, by: off_by, reason });
    }
  }

  isOff(plugin: string, capability: string): boolean {
    return this.#off.get(plugin)?.has(capability) === true;
  }

  list(plugin: string): SwitchedOff[] {
    return [...(this.#off.get(plugin)?.values() ?? [])];
  }

  /**
   * Turns a switch. It holds from the next call on; what is under way in a capability that is cut is ended.
   *
   * @throws CodedError `not_found` (no such capability), `validation_failed` (one that cannot be cut), `plugin_not_found`
   */
  async set(plugin: string, capability: string, change: SwitchChange): Promise<void> {
    this.#demandSwitchable(capability);
    await this.#turns.take(plugin, () => this.#set(plugin, capability, change));
  }

  /** Makes what is in memory as the table, which another core may have changed: of one plugin, or of all. */
  async refresh(plugin?: string): Promise<void> {
    if (plugin !== undefined) return this.#turns.take(plugin, () => this.#refresh(plugin));
    const rows = await this.#deps.db.selectFrom('plugin_switches').select(['plugin_name', 'capability']).execute();
    const there = new Set(rows.map(({ plugin_name, capability }) => `${plugin_name} ${capability}`));
    const here = [...this.#off].flatMap(([name, off]) => [...off.keys()].map((capability) => `${name} ${capability}`));
    const differ = new Set([...there].filter((one) => !here.includes(one)));
    for (const one of here) if (!there.has(one)) differ.add(one);
    for (const name of new Set([...differ].map((one) => one.split(' ')[0] ?? ''))) await this.refresh(name);
  }

  async #refresh(plugin: string): Promise<void> {
    const table = this.#deps.db.selectFrom('plugin_switches').selectAll();
    const rows = await table.where('plugin_name', '=', plugin).execute();
    const before = new Set(this.#off.get(plugin)?.keys());
    this.#off.delete(plugin);
    for (const { capability, off_at, off_by, reason } of rows) {
      this.#put(plugin, { capability, at: off_at, by: off_by, reason });
    }
    for (const { capability } of rows) if (!before.delete(capability)) this.#deps.onChange(plugin, capability, false);
    for (const capability of before) this.#deps.onChange(plugin, capability, true);
  }

  /** The plugin was uninstalled; its rows went with it. */
  forget(plugin: string): void {
    this.#off.delete(plugin);
  }

  async #set(plugin: string, capability: string, { on, reason, by }: SwitchChange): Promise<void> {
    const before = this.#off.get(plugin)?.get(capability);
    if (on ? before === undefined : before !== undefined && before.reason === reason) return;
    const row = await this.#deps.db.transaction().execute(async (trx) => {
      const entry = { actorKind: 'user', actor: by, action: 'plugin.switched', target: plugin } as const;
      await audit(trx, { ...entry, detail: { capability, on, reason } });
      if (on) {
        const off = trx.deleteFrom('plugin_switches').where('plugin_name', '=', plugin);
        await off.where('capability', '=', capability).execute();
        return null;
      }
      const known = trx.selectFrom('installed_plugins').select('name').where('name', '=', plugin).forKeyShare();
      if ((await known.executeTakeFirst()) === undefined) {
        throw new CodedError('plugin_not_found', `No plugin "${plugin}" is installed`);
      }
      return trx
        .insertInto('plugin_switches')
        .values({ plugin_name: plugin, capability, off_by: by, reason })
        .onConflict((conflict) => conflict.columns(['plugin_name', 'capability']).doUpdateSet({ off_by: by, reason }))
        .returningAll()
        .executeTakeFirstOrThrow();
    });
    if (row === null) this.#off.get(plugin)?.delete(capability);
    else this.#put(plugin, { capability, at: row.off_at, by: row.off_by, reason: row.reason });
    if (on === (before !== undefined)) this.#deps.onChange(plugin, capability, on);
  }

  #put(plugin: string, off: SwitchedOff): void {
    let known = this.#off.get(plugin);
    if (known === undefined) {
      known = new Map();
      this.#off.set(plugin, known);
    }
    known.set(off.capability, off);
  }

  #demandSwitchable(capability: string): void {
    const found = this.capabilities.find(({ name }) => name === capability);
    if (found === undefined) {
      const names = this.capabilities.filter(({ fixed }) => fixed === null).map(({ name }) => name);
      throw new CodedError('not_found', `There is no capability "${capability}"; there are ${names.join(', ')}`);
    }
    if (found.fixed !== null) {
      const message = `"${capability}" cannot be switched off. ${found.fixed}`;
      throw new CodedError('validation_failed', message, {
        errors: [{ pointer: '/capability', message, in: 'params' }],
      });
    }
  }
}
