/** A row of `installed_plugins`, as far as deliveries and jobs look at it. */
export interface PluginRow {
  /** Another for each install: what was of the one before is not of this one. */
  readonly install: number;
  readonly digest: string;
  readonly enabled: boolean;
}

/** `installed_plugins`. */
export class MemoryPlugins {
  readonly rows = new Map<string, PluginRow>();
  readonly #onDelete: ((plugin: string) => void)[] = [];
  #installs = 0;

  install(plugin: string, digest: string): void {
    this.rows.set(plugin, { install: ++this.#installs, digest, enabled: true });
  }

  change(plugin: string, change: { readonly digest?: string; readonly enabled?: boolean }): void {
    const row = this.rows.get(plugin);
    if (row) this.rows.set(plugin, { ...row, ...change });
  }

  uninstall(plugin: string): void {
    if (this.rows.delete(plugin)) for (const drop of this.#onDelete) drop(plugin);
  }

  /** What other tables lose with a plugin. */
  onDelete(drop: (plugin: string) => void): void {
    this.#onDelete.push(drop);
  }
}
