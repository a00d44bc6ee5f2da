import type { PluginDatabases } from '../databases/databases.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Dispatcher } from '../events/deliver.ts';
import type { Guest } from '../host/guest.ts';
import type { Log } from '../log.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { PostMortems } from '../post-mortems/post-mortems.ts';
import type { Replica } from '../replicas/replica.ts';
import type { RestorePoints } from '../restore-points/points.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Redactor } from '../secrets/redact.ts';
import type { Vault } from '../secrets/vault.ts';
import type { HibernationMetrics, HibernationRules } from './hibernation.ts';
import type { LoaderDeps } from './loader.ts';

/** What the lifecycle of the plugins needs of the rest of the core. */
export interface LifecycleDeps {
  readonly db: Db;
  readonly log: Log;
  readonly loader: LoaderDeps;
  readonly vault: Vault;
  readonly redactor: Redactor;
  readonly schedules: Schedules;
  readonly permissions: PermissionCatalog;
  readonly dispatcher: () => Dispatcher;
  readonly hibernation: {
    readonly rules: HibernationRules;
    readonly metrics: HibernationMetrics;
    /** Calls of a guest into the core that are under way. */
    readonly callsOf: (guest: Guest) => number;
  };
  /** This core; on a database of its own, nobody else changes anything. */
  readonly replica: Pick<Replica, 'id' | 'isShared'>;
  /** Folder of a built-in or watched plugin that another core has found; null when it is not here. */
  readonly folderOf: (plugin: string) => Promise<string | null>;
  readonly databases: PluginDatabases;
  readonly points: RestorePoints;
  /** Removes what the plugin kept but for its database: storage, and whatever other rooms hold for it. */
  readonly dropData: (plugin: string, trx: Trx) => Promise<void>;
  /** Whether there is anything of it, its database included: an uninstall may have kept it. */
  readonly hasData: (plugin: string) => Promise<boolean>;
  readonly postMortems: Pick<PostMortems, 'record'>;
  /** Forgets what is in memory under the plugin's name: log, meters. */
  readonly forget: (plugin: string) => void;
}
