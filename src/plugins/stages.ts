import { createHash } from 'node:crypto';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginDatabases, StagedDatabase } from '../databases/databases.ts';
import { pendingMigrations } from '../databases/migrations.ts';
import type { Trx } from '../db/client.ts';
import { OutcomeUnknown } from '../db/transact.ts';
import type { Log } from '../log.ts';
import type { Manifest } from '../packages/manifest.ts';
import { migrationsOf, type PackageMigration } from '../packages/migrations.ts';
import type { PackageFiles } from '../packages/read.ts';
import type { RestorePoints } from '../restore-points/points.ts';
import type { RestorePoint } from '../restore-points/store.ts';
import { LIFECYCLE_LIMITS } from './limits.ts';
import type { LoadRequest } from './loader.ts';
import type { Staged } from './staged.ts';
import type { PluginRow } from './store.ts';

export interface StagesDeps {
  readonly log: Log;
  readonly databases: Pick<
    PluginDatabases,
    'currentOf' | 'stage' | 'stageExisting' | 'session' | 'runFiles' | 'dropDatabase'
  >;
  readonly points: RestorePoints;
}

/** What a plugin is about to become. */
export interface Next {
  readonly pkg: PackageFiles;
  readonly manifest: Manifest;
  readonly grants: readonly string[];
  /** What it is now; null while it is not installed. */
  readonly row: PluginRow | null;
  /** Whether it is loaded before the change is committed. */
  readonly isLoaded: boolean;
}

/**
 * Prepares what a plugin's next version works on: a copy of its database with the new migrations run, and a restore point
 * of what is there now. Nothing of it counts before the transaction of the change.
 */
export class Stages {
  readonly #deps: StagesDeps;
  /** The migrations that a plugin's database is known to have: a reload need not ask it. */
  readonly #known = new Map<string, { readonly database: string; readonly migrations: string }>();

  constructor(deps: StagesDeps) {
    this.#deps = deps;
  }

  /**
   * For an install, an upgrade or a reload. Where neither version nor migrations are new it prepares nothing, and takes no
   * time.
   *
   * @throws CodedError `migration_failed`, `migration_changed`, `database_unavailable`; nothing is left then
   */
  async open({ pkg, manifest, grants, row, isLoaded }: Next): Promise<Stage> {
    const { databases } = this.#deps;
    const current = databases.currentOf(manifest.name);
    const isOther = row !== null && row.version !== manifest.version;
    // What is enabled runs on the migrations of its package: each change of one goes with the other.
    const isSame = row?.enabled === true && row.packageDigest === pkg.digest;
    const wants = grants.includes('database') && (current === null || !isSame);
    const migrations = wants ? migrationsOf(pkg) : [];
    const isBehind =
      current === null ? wants : isOther || (!isSame && (await this.#lacks(manifest.name, current, migrations)));
    const point = isOther || (isBehind && current !== null && row !== null) ? row : null;
    return this.#prepare(manifest.name, migrations, {
      stage: isBehind ? () => databases.stage(manifest.name) : null,
      capture: point === null ? null : () => this.#deps.points.begin(point, 'upgrade'),
      isLoaded,
      from: null,
    });
  }

  /**
   * For a rollback, of which the state now becomes a restore point.
   *
   * @param from the point whose database it is to work on; null for the one that is there
   * @throws as `open`
   */
  async openRollback(next: Next, row: PluginRow, from: RestorePoint | null): Promise<Stage> {
    const { pkg, manifest, grants, isLoaded } = next;
    const migrations = grants.includes('database') ? migrationsOf(pkg) : [];
    return this.#prepare(manifest.name, migrations, {
      stage: this.#stager(row.name, grants.includes('database'), from?.database ?? null),
      capture: () => this.#deps.points.begin(row, 'rollback'),
      isLoaded,
      from,
    });
  }

  /** For a change that touches no data. */
  nothing(plugin: string): Stage {
    return new Stage(this.#deps, plugin);
  }

  /** For a restore point that somebody asks for: what is there goes on in a copy, and what was copied is the point's. */
  async openPoint(row: PluginRow): Promise<Stage> {
    return this.#prepare(row.name, [], {
      stage: this.#stager(row.name, false, null),
      capture: () => this.#deps.points.begin(row, 'manual'),
      isLoaded: false,
      from: null,
    });
  }

  #stager(plugin: string, wants: boolean, existing: string | null): (() => Promise<StagedDatabase>) | null {
    const { databases } = this.#deps;
    if (existing !== null) return () => databases.stageExisting(plugin, existing);
    return wants || databases.currentOf(plugin) !== null ? () => databases.stage(plugin) : null;
  }

  async #prepare(
    plugin: string,
    migrations: readonly PackageMigration[],
    todo: {
      readonly stage: (() => Promise<StagedDatabase>) | null;
      readonly capture: (() => Promise<number>) | null;
      readonly isLoaded: boolean;
      /** The point whose keys and files it finds; null: those of the one that is captured. */
      readonly from: RestorePoint | null;
    },
  ): Promise<Stage> {
    const stage = new Stage(this.#deps, plugin);
    try {
      if (todo.stage !== null) stage.staged = await todo.stage();
      const { staged } = stage;
      if (staged !== null && migrations.length > 0) {
        await this.#migrate(plugin, staged.database, migrations);
      }
      // Last, so that little comes to pass between it and the change; and before the new version's onLoad.
      if (todo.capture !== null) stage.point = await todo.capture();
      if (todo.isLoaded && stage.point !== null) {
        const from = todo.from?.id ?? stage.point;
        stage.space = { name: await this.#deps.points.openSpace(plugin, stage.point, from), from };
      }
      if (staged !== null) {
        const known = { database: staged.database, migrations: fingerprint(migrations) };
        stage.onSettled = () => this.#known.set(plugin, known);
      }
      return stage;
    } catch (error) {
      await stage.abandon(error);
      throw error;
    }
  }

  /** Whether the database lacks some of the migrations. @throws CodedError `migration_changed` */
  async #lacks(plugin: string, database: string, migrations: readonly PackageMigration[]): Promise<boolean> {
    const known = this.#known.get(plugin);
    const print = fingerprint(migrations);
    if (migrations.length === 0 || (known?.database === database && known.migrations === print)) return false;
    const session = await this.#deps.databases.session(plugin, database);
    const pending = await pendingMigrations(session, migrations).finally(() => session.end());
    if (pending.length === 0) this.#known.set(plugin, { database, migrations: print });
    return pending.length > 0;
  }

  async #migrate(plugin: string, database: string, migrations: readonly PackageMigration[]): Promise<void> {
    const late = new AbortController();
    const { migrateMs } = LIFECYCLE_LIMITS;
    const timer = setTimeout(() => {
      const message = `The migrations took longer than ${migrateMs / 1000} s; do less in one file, or in the plugin's code`;
      late.abort(new CodedError('migration_failed', message, { migration: null, line: null, sqlstate: null }));
    }, migrateMs);
    try {
      await this.#deps.databases.runFiles(plugin, database, migrations, late.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What is prepared for one change: `commit` in its transaction and `settle` after that, or `abandon`. */
export class Stage {
  readonly #deps: StagesDeps;
  readonly #plugin: string;
  staged: StagedDatabase | null = null;
  /** The restore point of what is there until the change. */
  point: number | null = null;
  /** Where the version that is loaded finds and writes its keys and files, and the point that they are from. */
  space: { readonly name: string; readonly from: number } | null = null;
  onSettled: () => void = () => undefined;

  constructor(deps: StagesDeps, plugin: string) {
    this.#deps = deps;
    this.#plugin = plugin;
  }

  /** Whether anything is to be committed. */
  get isEmpty(): boolean {
    return this.staged === null && this.point === null;
  }

  /** For a load: what the isolate has instead of what its plugin has now. @param secrets null when they do not change */
  binding(secrets: Staged['secrets']): Pick<LoadRequest, 'database' | 'staged'> {
    return {
      ...(this.staged === null ? {} : { database: this.staged.database }),
      staged: { secrets, space: this.space?.name ?? null },
    };
  }

  /** Makes it count with the transaction. */
  async commit(trx: Trx): Promise<void> {
    const { point, space, staged } = this;
    if (point !== null && space !== null) await this.#deps.points.mergeSpace(trx, this.#plugin, point, space.from);
    await staged?.commit(trx);
    if (point !== null) await this.#deps.points.confirm(trx, point, staged?.before ?? null);
  }

  /** After the commit. What fails here is left for the next start to tidy up. */
  async settle(): Promise<void> {
    const { staged, point } = this;
    this.onSettled();
    try {
      await staged?.settle();
      const before = staged?.before ?? null;
      if (before !== null && point === null) await this.#deps.databases.dropDatabase(before);
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin: this.#plugin }, 'the database before a change was not closed');
    }
    if (point !== null) await this.#deps.points.prune(this.#plugin);
  }

  /** Instead of a commit: nothing of it stays. @param why the change ended; when nobody can tell whether, all is left */
  async abandon(why: unknown): Promise<void> {
    if (why instanceof OutcomeUnknown) return;
    const { staged, point } = this;
    // First what the plugin waits for; each by itself, since the database may be what is missing.
    const steps = [async () => staged?.abandon(), async () => point !== null && this.#deps.points.remove([point])];
    for (const step of steps) {
      await step().catch((error: unknown) =>
        this.#deps.log.warn({ err: error, plugin: this.#plugin }, 'what was prepared for a change was not removed'),
      );
    }
  }
}

function fingerprint(migrations: readonly PackageMigration[]): string {
  const hash = createHash('sha256');
  for (const { name, sql } of migrations) hash.update(`${name}\0${sql.length}\0${sql}`);
  return hash.digest('hex');
}
