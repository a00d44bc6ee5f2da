import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PackageFiles } from '../packages/read.ts';
import type { RestorePoint } from '../restore-points/store.ts';
import { carryOut } from './carry-out.ts';
import type { ChangesDeps } from './changes.ts';
import type { Plugin } from './plugin.ts';
import { type Actor, noteUpgrade, settingsFor, writeAudit } from './requests.ts';
import { listVersions, updatePlugin } from './store.ts';

/** What to go back to: the newest restore point that fits. */
export interface RollbackRequest {
  /** Id of a restore point. */
  readonly restorePoint?: number;
  readonly version?: string;
  /** `restore`: what the plugin had stored then; `keep`: what it has now. Its configuration is that of then either way. */
  readonly data: 'restore' | 'keep';
}

/** A version of a plugin, and what it can be rolled back to. */
export interface VersionView {
  readonly version: string;
  readonly installedAt: string;
  readonly current: boolean;
  /** Whether its code can be brought back; the code of a plugin in a folder is what that holds. */
  readonly codeKept: boolean;
  /** The newest restore point of it, which brings back the data too. */
  readonly restorePoint: number | null;
}

interface Target {
  readonly pkg: PackageFiles;
  readonly manifest: Manifest;
  readonly point: RestorePoint | null;
}

export interface RollbacksDeps
  extends Pick<
    ChangesDeps,
    'db' | 'loads' | 'packages' | 'permissions' | 'place' | 'points' | 'stages' | 'traffic' | 'vault'
  > {
  /** Makes a plugin like its row, in its turn: another core may have changed it. */
  readonly upToDate: (plugin: Plugin) => Promise<void>;
  /** The installed plugins. */
  readonly all: () => Iterable<Plugin>;
}

/** Brings plugins back to what they were, code, configuration and data together; and keeps the points for that. */
export class Rollbacks {
  readonly #deps: RollbacksDeps;

  constructor(deps: RollbacksDeps) {
    this.#deps = deps;
  }

  /**
   * A swap like any other: the version of then is loaded beside the one of now, on its own database, and takes over in one
   * transaction; what was there becomes a restore point.
   *
   * @throws CodedError `restore_point_not_found`, `rollback_impossible`, `plugin_load_failed` and whatever an upgrade
   *   throws; the plugin is what it was then
   */
  rollback(plugin: Plugin, request: RollbackRequest, actor: Actor): Promise<void> {
    return plugin.inTurn(async () => {
      await this.#deps.upToDate(plugin);
      await this.#rollback(plugin, request, actor);
    });
  }

  async #rollback(plugin: Plugin, request: RollbackRequest, actor: Actor): Promise<void> {
    const { pkg, manifest, point } = await this.#find(plugin, request);
    const restores = request.data === 'restore';
    const { loads, permissions, place, points, stages, traffic, vault } = this.#deps;
    const { row } = plugin;
    const grants = permissions.resolve(manifest, point?.grants ?? null, row.grants);
    const limits = point?.limits ?? row.limits;
    const stored = await loads.stored(plugin);
    const settings =
      point === null
        ? settingsFor(manifest, null, stored, row.enabled)
        : settingsFor(manifest, null, { plain: point.config, secrets: await points.secretsOf(point) }, row.enabled);
    const { secrets } = settings;
    const { enabled, source, ownProcess } = row;
    const load = { pkg, manifest, config: settings.plain, grants, limits, source, ownProcess };

    const stage = await stages.openRollback(
      { pkg, manifest, grants, row, isLoaded: enabled },
      row,
      restores ? point : null,
    );
    const { written, instance } = await carryOut(this.#deps, stage, {
      load: async () => (enabled ? loads.load({ ...load, ...stage.binding(secrets) }, settings, stored) : null),
      write: async (trx) => {
        const saved = await updatePlugin(
          trx,
          row.name,
          {
            version: manifest.version,
            packageDigest: pkg.digest,
            config: settings.plain,
            grants,
            limits,
            quarantineReason: null,
          },
          row.revision,
        );
        await vault.put(row.name, secrets, trx);
        if (restores && point !== null) await points.restore(trx, point);
        await noteUpgrade(trx, actor, { manifest, digest: pkg.digest, grants, from: row.version });
        await writeAudit(trx, actor, 'plugin.rolled_back', row.name, {
          version: manifest.version,
          from: row.version,
          restorePoint: point?.id ?? null,
          data: restores ? 'restore' : 'keep',
        });
        return saved;
      },
    });
    plugin.row = written;
    place(plugin, manifest);
    loads.redact(row.name, stored, settings);
    plugin.strikes = [];
    if (instance !== null) await traffic.takeOver(plugin, instance);
    // Data of its own time needs no bringing up to date.
    const isDowngrade = !restores && manifest.version !== row.version;
    if (isDowngrade && instance !== null) await traffic.courtesy(instance, 'onUpgrade', [row.version]);
  }

  /** Makes a restore point of what is there; the plugin goes on meanwhile, but for its database calls, which wait. */
  capture(plugin: Plugin, actor: Actor): Promise<RestorePoint> {
    const { points, stages } = this.#deps;
    return plugin.inTurn(async () => {
      await this.#deps.upToDate(plugin);
      const { name, row } = plugin;
      const stage = await stages.openPoint(row);
      const detail = { restorePoint: stage.point, version: row.version };
      await carryOut(this.#deps, stage, {
        load: async () => null,
        write: (trx) => writeAudit(trx, actor, 'plugin.restore_point_made', name, detail),
      });
      return points.find(name, stage.point === null ? {} : { id: stage.point });
    });
  }

  /** @throws CodedError `restore_point_not_found` */
  remove(plugin: Plugin, id: number, actor: Actor): Promise<void> {
    const { db, points } = this.#deps;
    return plugin.inTurn(async () => {
      const { version } = await points.find(plugin.name, { id });
      await points.remove([id]);
      await db
        .transaction()
        .execute((trx) =>
          writeAudit(trx, actor, 'plugin.restore_point_removed', plugin.name, { restorePoint: id, version }),
        );
    });
  }

  /** Removes the restore points that are too old, of all plugins; those of plugins that are gone too. */
  async prune(): Promise<void> {
    const { all, points } = this.#deps;
    const installed = new Map([...all()].map((plugin) => [plugin.name, plugin]));
    for (const name of await points.plugins()) {
      const plugin = installed.get(name);
      await (plugin === undefined ? points.prune(name) : plugin.inTurn(() => points.prune(name)));
    }
  }

  async versions(plugin: Plugin): Promise<VersionView[]> {
    const { db, points } = this.#deps;
    const [versions, kept] = await Promise.all([listVersions(db, plugin.name), points.list(plugin.name)]);
    return versions.map(({ version, packageDigest, installedAt, isKept }) => ({
      version,
      installedAt: installedAt.toISOString(),
      current: packageDigest === plugin.row.packageDigest,
      codeKept: isKept,
      restorePoint: kept.find((point) => point.packageDigest === packageDigest)?.id ?? null,
    }));
  }

  async #find(plugin: Plugin, { restorePoint, version, data }: RollbackRequest): Promise<Target> {
    const { db, points } = this.#deps;
    const wanted = {
      ...(restorePoint === undefined ? {} : { id: restorePoint }),
      ...(version === undefined ? {} : { version }),
    };
    const point = await points.find(plugin.name, wanted).catch(async (error: unknown) => {
      const versions = version === undefined || restorePoint !== undefined ? [] : await listVersions(db, plugin.name);
      const isKept = versions.some((one) => one.version === version && one.isKept);
      if (isKept && data === 'keep') return null;
      if (!isKept || !(error instanceof CodedError)) throw error;
      throw new CodedError(error.code, `${error.message}. Its code is kept: send data=keep to bring back that alone`);
    });
    return { ...(await this.#packageOf(plugin, point, version)), point };
  }

  async #packageOf(
    plugin: Plugin,
    point: RestorePoint | null,
    version = point?.version,
  ): Promise<Pick<Target, 'pkg' | 'manifest'>> {
    const { db, packages } = this.#deps;
    if (plugin.row.source !== 'upload') return this.#ofFolder(plugin, version);
    const digest =
      point?.packageDigest ??
      (await listVersions(db, plugin.name)).find((one) => one.version === version && one.isKept)?.packageDigest;
    const pkg = digest === undefined ? null : await packages.kept(digest);
    if (pkg === null) {
      throw new CodedError(
        'rollback_impossible',
        `The code of ${plugin.name} ${version} is not kept; install that version, with downgrade=true`,
      );
    }
    return { pkg, manifest: packages.manifestOf(pkg) };
  }

  /** What runs is what the folder holds: its owner brings back the code, and the rollback everything else. */
  async #ofFolder(plugin: Plugin, version: string | undefined): Promise<Pick<Target, 'pkg' | 'manifest'>> {
    const pkg = await this.#deps.packages.of(plugin);
    const manifest = this.#deps.packages.manifestOf(pkg);
    if (manifest.version === version) return { pkg, manifest };
    throw new CodedError(
      'rollback_impossible',
      `${plugin.name} runs from the folder ${plugin.folder}, which holds ${manifest.version}: put ${version} back there ` +
        '(it is loaded at once), then roll back to have its data and configuration of then',
    );
  }
}
