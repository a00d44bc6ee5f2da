import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { Plugin } from './plugin.ts';

/** The plugins that are installed, by name, number and path segment. */
export class PluginList {
  readonly #byName = new Map<string, Plugin>();
  readonly #byAlias = new Map<string, Plugin>();

  list(): Plugin[] {
    return [...this.#byName.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** In no order. */
  all(): Iterable<Plugin> {
    return this.#byName.values();
  }

  get(name: string): Plugin | undefined {
    return this.#byName.get(name);
  }

  /** The plugin that answers under a path segment: its name, or its short alias. */
  byPrefix(segment: string): Plugin | undefined {
    return this.#byName.get(segment) ?? this.#byAlias.get(segment);
  }

  /** Nobody takes over another's address. @throws CodedError `conflict` when another plugin answers under it */
  protected demandFree({ name, routePrefix }: Manifest): void {
    for (const segment of routePrefix === undefined ? [name] : [name, routePrefix]) {
      const holder = this.byPrefix(segment);
      if (holder === undefined || holder.name === name) continue;
      throw new CodedError('conflict', `The plugin "${holder.name}" answers under /api/plugins/${segment} already`);
    }
  }

  /** By name or number. @throws CodedError `plugin_not_found` */
  find(id: string): Plugin {
    const plugin = this.#byName.get(id) ?? [...this.all()].find(({ row }) => String(row.id) === id);
    if (plugin === undefined) throw new CodedError('plugin_not_found', `No plugin "${id}" is installed`);
    return plugin;
  }

  protected put(plugin: Plugin): void {
    this.#byName.set(plugin.name, plugin);
  }

  protected drop(name: string): void {
    const plugin = this.#byName.get(name);
    this.#byName.delete(name);
    if (plugin?.manifest?.routePrefix !== undefined) this.#indexPrefixes();
  }

  /** Gives a listed plugin its manifest. */
  protected describe(plugin: Plugin, manifest: Manifest): void {
    const before = plugin.manifest?.routePrefix;
    plugin.manifest = manifest;
    // Most have none, and an index over all of them for each load is dear when there are a thousand.
    if (manifest.routePrefix !== undefined || before !== undefined) this.#indexPrefixes();
  }

  /** Of two plugins with one alias, the one that was installed first has it: nobody takes over another's address. */
  #indexPrefixes(): void {
    this.#byAlias.clear();
    const byAge = this.list().sort((a, b) => a.row.installedAt.getTime() - b.row.installedAt.getTime());
    for (const plugin of byAge) {
      const alias = plugin.manifest?.routePrefix;
      if (alias !== undefined && !this.#byAlias.has(alias)) this.#byAlias.set(alias, plugin);
    }
  }
}
