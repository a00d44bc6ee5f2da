import { join } from 'node:path';
import type { Auth } from '../auth/service.ts';
import type { Config } from '../config.ts';
import type { PluginDatabases } from '../databases/databases.ts';
import type { Db } from '../db/client.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Following } from '../plugins/following.ts';
import type { KeySource } from '../secrets/key-source.ts';
import type { Rotation } from '../secrets/rotation.ts';
import { Convergence } from './convergence.ts';
import { assertSharedFiles, folderId } from './files-folder.ts';
import { Leases } from './leases.ts';
import { ReplicaPauses } from './pauses.ts';
import { Replica } from './replica.ts';
import { assertSameKey } from './same-key.ts';

export interface StartReplicaDeps {
  readonly db: Db;
  readonly log: Log;
  readonly sql: Pick<Sql, 'listen'>;
  readonly config: Pick<Config, 'databaseUrl' | 'dataDir' | 'filesDir' | 'filesBackend' | 'replicaAddress'>;
  /** Where this core's keys come from. */
  readonly source: KeySource;
  readonly databases: () => Pick<PluginDatabases, 'pause' | 'refresh'>;
}

/** The parts that are made as the tables say. */
export interface Followers {
  readonly plugins: Pick<Following, 'revisions' | 'converge'>;
  readonly switches: Pick<Switches, 'refresh'>;
  readonly auth: Pick<Auth, 'forgetUser' | 'forgetCredential'>;
  readonly rotation: Pick<Rotation, 'refresh'>;
}

export interface StartedReplica {
  readonly replica: Replica;
  readonly pauses: ReplicaPauses;
  readonly leases: Leases;
  /** Folder of plugins' files on this disk. */
  readonly filesFolder: string;
  /** Begins to follow what other cores change; nothing on a database of its own. Call it once the plugins are listed. */
  follow(followers: Followers): Promise<void>;
  /** Follows no more. */
  unfollow(): Promise<void>;
}

/**
 * Puts this core on the list of those on its database.
 *
 * @throws ReplicaRefused
 */
export async function startReplica(deps: StartReplicaDeps): Promise<StartedReplica> {
  const { db, log, config, sql, databases, source } = deps;
  const filesFolder = config.filesDir ?? join(config.dataDir, 'files');
  const isShared = config.databaseUrl !== null;
  const folder = isShared ? folderId(filesFolder) : '';
  if (isShared)
    await assertSharedFiles(db, log, { id: folder, path: filesFolder, used: config.filesBackend === 'local' });
  const replica = new Replica({
    ...{ db, log, isShared, filesFolder: folder },
    address: config.replicaAddress,
    home: folderId(config.dataDir),
  });
  await assertSameKey(db, source, replica);
  await replica.start();
  const pauses = new ReplicaPauses({ db, log, replica, pause: (plugin) => databases().pause(plugin) });
  let convergence: Convergence | null = null;
  return {
    replica,
    pauses,
    leases: new Leases(db, replica.id),
    filesFolder,
    async follow({ plugins, switches, auth, rotation }) {
      if (!isShared) return;
      convergence = new Convergence({
        ...{ db, sql, log },
        kept: {
          revisions: () => plugins.revisions(),
          converge: (plugin) => plugins.converge(plugin),
          switches: (plugin) => switches.refresh(plugin),
          database: (plugin) => databases().refresh(plugin),
          pauses: () => pauses.look(),
          paused: (plugin) => pauses.onPaused(plugin),
          principals: (changed) => {
            if (changed === undefined) auth.forgetCredential();
            else if ('user' in changed) auth.forgetUser(changed.user);
            else auth.forgetCredential(changed.credential);
          },
          key: () => rotation.refresh(),
        },
        onBehind: (behind) => {
          replica.behind = behind;
        },
      });
      await convergence.start();
    },
    async unfollow() {
      await convergence?.stop();
      await pauses.stop();
    },
  };
}
