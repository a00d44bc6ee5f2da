import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Plugin } from './plugin.ts';

/** The plugins that are installed, by name, number and path segment. */
export class PluginList {
  readonly #byName = new Map<string, Plugin>();
  readonly #byAlias = new Map<string, Plugin>();

  list(): Plugin[] {
    return [...this.#byName.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  get(name: string): Plugin | undefined {
    return this.#byName.get(name);
  }

  /** The plugin that answers under a path segment: its name, or its short alias. */
  byPrefix(segment: string): Plugin | undefined {
    return this.#byName.get(segment) ?? this.#byAlias.get(segment);
  }

  /** By name or number. @throws CodedError `plugin_not_found` */
  find(id: string): Plugin {
    const plugin = this.#byName.get(id) ?? this.list().find(({ row }) => String(row.id) === id);
    if (plugin === undefined) throw new CodedError('plugin_not_found', `No plugin "${id}" is installed`);
    return plugin;
  }

  protected put(plugin: Plugin): void {
    this.#byName.set(plugin.name, plugin);
  }

  protected drop(name: string): void {
    this.#byName.delete(name);
    this.indexPrefixes();
  }

  /** To be called when a manifest has changed: of two plugins with one alias, the first by name has it. */
  protected indexPrefixes(): void {
    this.#byAlias.clear();
    for (const plugin of this.list()) {
      const alias = plugin.manifest?.routePrefix;
      if (alias !== undefined && !this.#byAlias.has(alias)) this.#byAlias.set(alias, plugin);
    }
  }
}
