import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { NotConverged } from '../replicas/convergence.ts';
import type { Replica } from '../replicas/replica.ts';
import { type ConformDeps, conform } from './conform.ts';
import { Plugin } from './plugin.ts';
import { readPlugin } from './store.ts';

export interface FollowingDeps extends ConformDeps {
  readonly replica: Pick<Replica, 'isShared'>;
  /** Folder of a built-in or watched plugin; null when it is not here. */
  readonly folderOf: (plugin: string) => Promise<string | null>;
  readonly get: (name: string) => Plugin | undefined;
  readonly all: () => Iterable<Plugin>;
  /** Lists a plugin. */
  readonly put: (plugin: Plugin) => void;
}

/** Makes this core's plugins as the tables say, which other cores change as well. */
export class Following {
  readonly #deps: FollowingDeps;
  #stopped = false;

  constructor(deps: FollowingDeps) {
    this.#deps = deps;
  }

  /** From now on nothing is followed. */
  stop(): void {
    this.#stopped = true;
  }

  /** Revisions of the plugins as they are here, by name; without those whose install is under way. */
  revisions(): Map<string, number> {
    return new Map(
      [...this.#deps.all()].flatMap(({ name, row }) => (row.id === 0 ? [] : [[name, row.revision] as const])),
    );
  }

  /**
   * Makes a plugin as its row says, or takes it away when there is none.
   *
   * @throws NotConverged when it does not load here; what served before goes on
   */
  async converge(name: string): Promise<void> {
    const plugin = this.#deps.get(name) ?? (await this.#meet(name));
    await plugin?.inTurn(async () => {
      if (!this.#stopped && this.#deps.get(name) === plugin) await conform(this.#deps, plugin);
    });
  }

  /**
   * Before a change, in the plugin's turn: another core may have changed it since this one last looked.
   *
   * @throws CodedError `plugin_not_found` when another core has uninstalled it
   */
  async upToDate(plugin: Plugin): Promise<void> {
    const { databases, db, replica } = this.#deps;
    if (!replica.isShared) return;
    await databases.refresh(plugin.name);
    const row = await readPlugin(db, plugin.name);
    if (row?.revision !== plugin.row.revision) await conform(this.#deps, plugin).catch(unlessNotLoaded);
    if (row === null) throw new CodedError('plugin_not_found', `The plugin ${plugin.name} was just uninstalled`);
  }

  /** Before an install of a plugin that is not listed: another core may have installed it, or dropped what was kept of it. */
  async lookFor(name: string): Promise<void> {
    if (!this.#deps.replica.isShared) return;
    await this.#deps.databases.refresh(name);
    await this.#meet(name);
  }

  /** Lists a plugin that another core has installed; it is not loaded yet. */
  async #meet(name: string): Promise<Plugin | null> {
    const { db, folderOf, get, put } = this.#deps;
    const row = await readPlugin(db, name);
    if (row === null || this.#stopped) return null;
    const folder = row.source === 'upload' ? null : await folderOf(name);
    const met = get(name);
    if (met !== undefined) return met;
    // Of no revision: whoever makes it as its row says finds all of that new.
    const plugin = new Plugin({ ...row, revision: -1 }, null, folder);
    if (row.enabled) plugin.state = { kind: 'loading' };
    put(plugin);
    return plugin;
  }
}

/** @throws what is no failure to load: the change that comes next may put that right */
function unlessNotLoaded(error: unknown): void {
  if (!(error instanceof NotConverged)) throw error;
}
