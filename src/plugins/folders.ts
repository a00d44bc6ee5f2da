import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Log } from '../log.ts';
import { readFolder } from '../packages/read.ts';
import { isNoise } from './folder-noise.ts';
import type { Lifecycle } from './lifecycle.ts';
import { toFailure } from './loader.ts';
import { SYSTEM } from './requests.ts';
import type { PluginSource } from './store.ts';

/** Milliseconds without a further change after which a folder is read: editors write a file in several steps. */
const QUIET_MS = 12;

/** A folder with a manifest, found in a place where plugins are looked for. */
interface Found {
  readonly folder: string;
  readonly source: PluginSource;
}

export interface FolderDeps {
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  /** Folder of the plugins that come with the core; not watched. */
  readonly builtinDir: string;
  /** Folders that are watched; each is a plugin itself, or holds plugins. */
  readonly pluginDirs: readonly string[];
}

/**
 * Finds plugins in folders (SPEC 2.3) and keeps the watched ones live: a saved file is a reload, a new folder an install,
 * a folder that is gone an uninstall that keeps the data. What is in a watched folder is granted what it asks for: who
 * may write there, and set PLUGIN_DIRS, is the operator.
 */
export class PluginFolders {
  readonly #deps: FolderDeps;
  readonly #watchers: FSWatcher[] = [];
  readonly #timers = new Map<string, Timer>();
  /** Name of the plugin by its folder. */
  readonly #names = new Map<string, string>();

  constructor(deps: FolderDeps) {
    this.#deps = deps;
  }

  /** Folder of each plugin that is found, by its name; the first of a name wins. */
  async scan(): Promise<Map<string, string>> {
    const folders = new Map<string, string>();
    for (const { folder, source } of await this.#find()) {
      const name = await this.#nameOf(folder);
      if (name === null) continue;
      if (folders.has(name)) {
        this.#deps.log.warn(
          { plugin: name, folder, taken: folders.get(name) },
          'two folders hold a plugin of the same name',
        );
        continue;
      }
      folders.set(name, folder);
      if (source === 'folder') this.#names.set(folder, name);
    }
    return folders;
  }

  /** Installs what is found and not known yet: watched plugins enabled, those of the core not. */
  async installNew(): Promise<void> {
    for (const found of await this.#find()) await this.#installIfNew(found);
  }

  /** Begins to watch; a folder that cannot be watched is said in the log. */
  watch(): void {
    for (const dir of this.#deps.pluginDirs) {
      try {
        const watcher = watch(dir, { recursive: true }, (_event, file) => this.#onChange(dir, file));
        watcher.on('error', (error) =>
          this.#deps.log.error({ err: error, dir }, 'a plugin folder is no longer watched'),
        );
        this.#watchers.push(watcher);
      } catch (error) {
        this.#deps.log.error({ err: error, dir }, 'a plugin folder cannot be watched');
      }
    }
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #find(): Promise<Found[]> {
    const { builtinDir, pluginDirs } = this.#deps;
    const builtin = (await subfolders(builtinDir)).map((folder) => ({ folder, source: 'builtin' as const }));
    const watched = await Promise.all(
      pluginDirs.map(async (dir) => ((await hasManifest(dir)) ? [dir] : await subfolders(dir))),
    );
    return [...builtin, ...watched.flat().map((folder) => ({ folder, source: 'folder' as const }))];
  }

  async #nameOf(folder: string): Promise<string | null> {
    try {
      return this.#deps.lifecycle.manifestOf(await readFolder(folder)).name;
    } catch (error) {
      // A plugin that worked before keeps its name while its manifest is being edited.
      const known = this.#names.get(folder);
      this.#deps.log.warn({ folder, reason: toFailure(error).message }, 'a plugin folder cannot be read');
      return known ?? null;
    }
  }

  async #installIfNew({ folder, source }: Found): Promise<void> {
    const found = this.#names.get(folder);
    if (found !== undefined && this.#deps.lifecycle.get(found) !== undefined) return;
    const name = await this.#nameOf(folder);
    if (name === null || this.#deps.lifecycle.get(name) !== undefined) return;
    const watched = source === 'folder';
    // With a thousand of them, the first ones make way for the next.
    if (watched) await this.#deps.lifecycle.room();
    try {
      await this.#deps.lifecycle.install(
        {
          pkg: await readFolder(folder),
          source,
          folder,
          grants: watched ? 'all' : [],
          config: null,
          enable: watched,
          allowDowngrade: true,
        },
        SYSTEM,
      );
      if (watched) this.#names.set(folder, name);
      this.#deps.log.info({ plugin: name, folder }, 'found a plugin');
    } catch (error) {
      this.#deps.log.warn(
        { plugin: name, folder, reason: toFailure(error).message },
        'a plugin was found but not installed',
      );
    }
  }

  #onChange(dir: string, file: string | null): void {
    const first = file?.split(sep)[0] ?? '';
    if (first === '' || file === null || isNoise(file)) return;
    const folder = this.#names.has(dir) ? dir : join(dir, first);
    const timer = this.#timers.get(folder);
    if (timer !== undefined) clearTimeout(timer);
    this.#timers.set(
      folder,
      setTimeout(() => {
        this.#timers.delete(folder);
        void this.#onQuiet(folder);
      }, QUIET_MS),
    );
  }

  async #onQuiet(folder: string): Promise<void> {
    const { lifecycle, log } = this.#deps;
    const name = this.#names.get(folder);
    const plugin = name === undefined ? undefined : lifecycle.get(name);
    try {
      if (plugin === undefined) {
        if (await hasManifest(folder)) await this.#installIfNew({ folder, source: 'folder' });
      } else if (!(await hasManifest(folder))) {
        this.#names.delete(folder);
        await lifecycle.uninstall(plugin, 'keep', SYSTEM);
        log.info({ plugin: plugin.name, folder }, 'the folder of a plugin is gone: uninstalled, its data kept');
      } else if (plugin.row.enabled) {
        const started = performance.now();
        await lifecycle.reload(plugin);
        log.info({ plugin: plugin.name, ms: Math.round(performance.now() - started) }, 'reloaded a plugin');
      }
    } catch (error) {
      const { code, message, stack } = toFailure(error);
      const write = error instanceof CodedError ? log.warn.bind(log) : log.error.bind(log);
      write(
        { plugin: plugin?.name, folder, code, reason: message },
        'a changed plugin was not taken; the old one serves on',
      );
      plugin?.instance?.parts.log('error', `The change was not taken: ${message}`, {
        code,
        ...(stack === null ? {} : { stack }),
      });
    }
  }
}

async function subfolders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(dir, entry.name));
  const withManifest = await Promise.all(folders.map(hasManifest));
  return folders.filter((_folder, index) => withManifest[index]).sort();
}

async function hasManifest(folder: string): Promise<boolean> {
  return stat(join(folder, 'manifest.json')).then(
    (found) => found.isFile(),
    () => false,
  );
}
