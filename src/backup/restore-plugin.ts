import { sql } from 'kysely';
import type pg from 'pg';
import type { PluginDatabases } from '../databases/databases.ts';
import { type Db, type DbAddress, openSession } from '../db/client.ts';
import type { Backends } from '../files/backends.ts';
import type { Log } from '../log.ts';
import { packArchive } from '../packages/pack.ts';
import { audit } from '../permissions/audit.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Plugin } from '../plugins/plugin.ts';
import type { Actor } from '../plugins/requests.ts';
import { savePackage } from '../plugins/store.ts';
import type { RestorePoints } from '../restore-points/points.ts';
import { insertPoint, markReady } from '../restore-points/store.ts';
import type { Keys } from '../secrets/keys.ts';
import type { Vault } from '../secrets/vault.ts';
import { ArchiveReader } from './archive-reader.ts';
import type { BackupTurn } from './backups.ts';
import { BlobImport } from './blob-import.ts';
import { decide, type Wanted } from './decide.ts';
import { damaged, incompatible } from './failures.ts';
import { PluginDataReader } from './plugin-data.ts';
import { type Section, sections } from './sections.ts';
import { StagedCore } from './staging.ts';

export interface RestorePluginDeps {
  readonly db: Db;
  readonly address: DbAddress;
  readonly log: Log;
  readonly databases: Pick<PluginDatabases, 'currentOf' | 'stage' | 'session' | 'makeBeside' | 'dropPlugin'>;
  readonly backends: Pick<Backends, 'forWriting'>;
  readonly points: RestorePoints;
  readonly keys: Keys;
  readonly vault: Vault;
  readonly permissions: PermissionCatalog;
  readonly lifecycle: Lifecycle;
  /** Whether anything of it is there: an uninstall may have kept it. */
  readonly hasData: (plugin: string) => Promise<boolean>;
  readonly turn: BackupTurn;
}

export interface RestorePluginRequest {
  readonly plugin: string;
  /** As for an install. */
  readonly grants: 'all' | readonly string[] | null;
}

export interface RestoredPlugin {
  readonly plugin: Plugin;
  /** Secrets that were sealed with a key that is not here, and that it had none of either: to be entered again. */
  readonly secretsMissing: readonly string[];
}

/**
 * Restores one plugin, of its own backup or of one of a whole instance: code, configuration, and all that it stored. What is
 * there goes on meanwhile; at the end they are exchanged in one transaction, by way of a restore point that is made of the
 * backup, and what was there becomes one.
 *
 * @throws CodedError `backup_busy`, `backup_damaged`, `backup_incompatible`, `backup_key_differs`, `consent_required`,
 *   `restore_failed`, and what a rollback throws; nothing has changed then
 */
export async function restorePlugin(
  deps: RestorePluginDeps,
  request: RestorePluginRequest,
  source: AsyncIterable<Uint8Array>,
  actor: Actor,
): Promise<RestoredPlugin> {
  const done = deps.turn.take();
  let reader: ArchiveReader | null = null;
  try {
    reader = await ArchiveReader.open(source);
    return await new PluginRestore(deps, request, reader, actor).run();
  } finally {
    await reader?.close();
    done();
  }
}

class PluginRestore {
  readonly #deps: RestorePluginDeps;
  readonly #request: RestorePluginRequest;
  readonly #reader: ArchiveReader;
  readonly #actor: Actor;
  /** What undoes the steps so far, the last one first. */
  readonly #undo: (() => Promise<unknown>)[] = [];
  #isNew = false;

  constructor(deps: RestorePluginDeps, request: RestorePluginRequest, reader: ArchiveReader, actor: Actor) {
    this.#deps = deps;
    this.#request = request;
    this.#reader = reader;
    this.#actor = actor;
  }

  async run(): Promise<RestoredPlugin> {
    const { address, log } = this.#deps;
    const { head } = this.#reader;
    const { plugin } = this.#request;
    const known = head.plugins.find(({ name }) => name === plugin);
    if (known === undefined) {
      const names = head.plugins.map(({ name }) => name).slice(0, 20);
      throw incompatible(`The backup has no plugin "${plugin}"; it has ${names.join(', ') || 'none'}`);
    }
    if (known.database) await this.#checkServer(head.postgres);
    const session = await openSession(address, log);
    try {
      const core = new StagedCore(session, plugin, head);
      await core.begin();
      return await this.#restore(core, known.database);
    } catch (error) {
      for (const step of this.#undo.reverse()) {
        await step().catch((lost: unknown) =>
          log.warn({ err: lost, plugin }, 'what a restore had made was not removed'),
        );
      }
      throw error;
    } finally {
      await session
        .end()
        .catch((error: unknown) => log.debug({ err: error, plugin }, 'the session of a restore was lost'));
    }
  }

  async #restore(core: StagedCore, hasDatabase: boolean): Promise<RestoredPlugin> {
    const { backends, db, lifecycle, points } = this.#deps;
    const name = this.#request.plugin;
    const all = sections(this.#reader.parts());
    let next = await all.next();
    for (; !next.done && next.value.name.startsWith('core/'); next = await all.next()) await core.take(next.value);

    const wanted = await decide(this.#deps, this.#request, core);
    const plugin = lifecycle.get(name) ?? (await this.#install(wanted));
    const point = await this.#point(plugin, wanted);
    const blobs = new BlobImport(db, backends, name);
    this.#undo.push(() => blobs.giveUp());
    let data: { readonly reader: PluginDataReader; readonly session: pg.Client } | null = null;
    try {
      if (hasDatabase) data = await this.#database(name, point);
      for (; !next.done; next = await all.next()) await this.#take(next.value, core, blobs, data?.reader ?? null);
      await data?.reader.finish(await this.#isSameServer());
      core.checkRows(this.#reader.end.rows);
      data?.reader.checkRows(this.#reader.end.rows);
    } finally {
      await data?.session.end();
    }
    for (const file of await core.emptyFiles()) await blobs.empty(file);
    await core.fillPoint(point, blobs.keys);
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('restore_points')
        .select('database')
        .where('id', '=', point)
        .executeTakeFirstOrThrow();
      await markReady(trx, point, row.database);
    });
    await lifecycle.rollbacks.rollback(plugin, { restorePoint: point, data: 'restore' }, this.#actor);
    const { secretsMissing } = wanted;
    if (this.#isNew && wanted.row.enabled && secretsMissing.length === 0) {
      await lifecycle.enable(plugin, null, this.#actor);
    }
    this.#undo.length = 0;
    const { madeAt } = this.#reader.head;
    await audit(db, {
      ...{ actorKind: this.#actor.kind, actor: this.#actor.id, action: 'backup.restored', target: name },
      detail: { madeAt, version: wanted.row.version },
    });
    await plugin.inTurn(() => points.remove([point]));
    return { plugin, secretsMissing };
  }

  async #take(section: Section, core: StagedCore, blobs: BlobImport, data: PluginDataReader | null): Promise<void> {
    const [kind, of = ''] = section.name.split('/');
    if (kind === 'blobs') {
      const file = await core.file(of);
      if (file !== null) await blobs.take(section, file);
    } else if (kind === 'plugins' && of === this.#request.plugin) {
      if (data === null) throw damaged(`it has ${section.name}, which nothing asks for`);
      await data.take(section);
    } else if (kind !== 'plugins') throw damaged(`it has ${section.name}, which nothing asks for`);
  }

  /** Disabled and empty: the restore point does the rest. */
  async #install({ pkg, grants, row }: Wanted): Promise<Plugin> {
    const { hasData, lifecycle } = this.#deps;
    const kept = await hasData(this.#request.plugin);
    const request = {
      pkg,
      source: 'upload' as const,
      folder: null,
      grants,
      config: null,
      enable: false,
      allowDowngrade: true,
    };
    const plugin = await lifecycle.install(request, this.#actor);
    this.#isNew = true;
    this.#undo.push(() => lifecycle.uninstall(plugin, kept ? 'keep' : 'drop', this.#actor));
    this.#deps.log.info({ plugin: plugin.name, version: row.version }, 'installed a plugin to restore it');
    return plugin;
  }

  /** A restore point of what the backup says; the data comes later. */
  async #point(plugin: Plugin, { row, manifest, pkg, grants, settings }: Wanted): Promise<number> {
    const { db, keys, points } = this.#deps;
    const archive = plugin.row.source === 'upload' ? await packArchive(pkg) : null;
    const point = await db.transaction().execute(async (trx) => {
      if (archive !== null) await savePackage(trx, pkg.digest, archive);
      const seal = await keys.sealer(trx);
      const { limits } = row;
      const then = {
        ...plugin.row,
        version: manifest.version,
        packageDigest: pkg.digest,
        config: settings.plain,
        grants,
        limits,
      };
      const id = await insertPoint(trx, then, 'backup');
      const secrets = Object.entries(settings.secrets).map(([name, secret]) => {
        const { sealed, key_id } = seal({ plugin: plugin.name, name }, secret);
        return { point: id, name, sealed: Buffer.from(sealed), key_id };
      });
      if (secrets.length > 0) await trx.insertInto('restore_point_secrets').values(secrets).execute();
      return id;
    });
    this.#undo.push(() => points.remove([point]));
    return point;
  }

  /** An empty database that is the restore point's. */
  async #database(plugin: string, point: number) {
    const { databases, db } = this.#deps;
    if (databases.currentOf(plugin) === null) {
      // One of its own, so that it has a role.
      const first = await databases.stage(plugin);
      await db.transaction().execute((trx) => first.commit(trx));
      await first.settle();
      this.#undo.push(async () => {
        const drop = await db.transaction().execute((trx) => databases.dropPlugin(plugin, trx));
        await drop();
      });
    }
    const database = await databases.makeBeside(plugin, async (name) => {
      await db.updateTable('restore_points').set({ database: name }).where('id', '=', point).execute();
    });
    const session = await databases.session(plugin, database, Number.POSITIVE_INFINITY);
    return { session, reader: new PluginDataReader(session, plugin) };
  }

  async #checkServer(postgres: number): Promise<void> {
    const here = await this.#major();
    if (here < postgres)
      throw incompatible(`The backup was made on PostgreSQL ${postgres}, and this server is ${here}`);
  }

  async #isSameServer(): Promise<boolean> {
    return (await this.#major()) === this.#reader.head.postgres;
  }

  async #major(): Promise<number> {
    const { rows } = await sql<{ major: number }>`
      select current_setting('server_version_num')::int / 10000 as major`.execute(this.#deps.db);
    return rows[0]?.major ?? 0;
  }
}
