import type { AnyElysia } from 'elysia';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { ViewDeps } from '../plugins/view.ts';
import { type BackupRoutesDeps, backupRoutes } from './backup.ts';
import { type DeliveryJobsRoutesDeps, deliveryJobsRoutes } from './delivery-jobs.ts';
import { type EventsRoutesDeps, eventsRoutes } from './events.ts';
import { type InspectorRoutesDeps, inspectorRoutes } from './inspector.ts';
import { type JobRoutesDeps, jobRoutes } from './jobs.ts';
import { schemaRoutes } from './manifest-schema.ts';
import { type PluginFilesDeps, pluginFileContentRoutes, pluginFilesRoutes } from './plugin-files.ts';
import { installRoutes } from './plugin-install.ts';
import { type PermissionRoutesDeps, permissionRoutes } from './plugin-permissions.ts';
import { type PluginStorageRoutesDeps, pluginStorageRoutes } from './plugin-storage.ts';
import { type PluginRoutesDeps, pluginRoutes } from './plugins.ts';
import { type PostMortemsRoutesDeps, postMortemRoutes } from './post-mortems.ts';
import { type ReplicasRoutesDeps, replicasRoutes } from './replicas.ts';
import { type RestorePointRoutesDeps, restorePointRoutes } from './restore-points.ts';
import { type SecretsRoutesDeps, secretsRoutes } from './secrets.ts';

type OfPlugin<Deps> = Omit<Deps, 'resolvePluginName' | 'db' | 'auth'>;

/** What the core's own endpoints need, by what they are about. */
export interface CoreRoutesDeps {
  readonly db: PluginRoutesDeps['db'];
  readonly auth: PluginRoutesDeps['auth'];
  readonly lifecycle: Lifecycle;
  readonly permissions: PermissionCatalog;
  /** What each plugin is shown with. */
  readonly view: ViewDeps;
  readonly plugins: Omit<PluginRoutesDeps, 'db' | 'auth' | 'lifecycle' | keyof ViewDeps>;
  readonly storage: OfPlugin<PluginStorageRoutesDeps>;
  readonly files: OfPlugin<PluginFilesDeps>;
  readonly events: OfPlugin<EventsRoutesDeps>;
  readonly deliveryJobs: OfPlugin<DeliveryJobsRoutesDeps>;
  readonly jobs: OfPlugin<JobRoutesDeps>;
  readonly permissionUse: Pick<PermissionRoutesDeps, 'switches' | 'uses'>;
  readonly points: RestorePointRoutesDeps['points'];
  readonly postMortems: PostMortemsRoutesDeps['postMortems'];
  readonly inspections: InspectorRoutesDeps['inspections'];
  readonly rotation: SecretsRoutesDeps['rotation'];
  readonly replica: ReplicasRoutesDeps['replica'];
  readonly backup: Omit<BackupRoutesDeps, 'db' | 'auth' | 'lifecycle' | 'permissions' | 'view' | 'points'> & {
    readonly points: BackupRoutesDeps['points'];
  };
}

/** The one list of the core's resources, a file each; `raw` ones read their bodies themselves. */
export function coreRoutes(deps: CoreRoutesDeps): {
  readonly routes: readonly AnyElysia[];
  readonly rawRoutes: readonly AnyElysia[];
} {
  const { db, auth, lifecycle, permissions, view } = deps;
  const resolvePluginName = (id: string): string => lifecycle.find(id).name;
  // `find` throws; some of them expect a rejection.
  const resolveLater = async (id: string): Promise<string> => resolvePluginName(id);
  return {
    routes: [
      pluginRoutes({ ...view, ...deps.plugins, db, auth, lifecycle }),
      pluginStorageRoutes({ ...deps.storage, db, auth, resolvePluginName }),
      pluginFilesRoutes({ ...deps.files, db, auth, resolvePluginName }),
      eventsRoutes({ ...deps.events, db, auth, resolvePluginName: resolveLater }),
      deliveryJobsRoutes({ ...deps.deliveryJobs, db, auth, resolvePluginName: resolveLater }),
      jobRoutes({ ...deps.jobs, db, auth, resolvePluginName }),
      permissionRoutes({ ...deps.permissionUse, db, auth, lifecycle, permissions }),
      restorePointRoutes({ ...view, auth, lifecycle, points: deps.points }),
      postMortemRoutes({ auth, postMortems: deps.postMortems, resolvePluginName }),
      inspectorRoutes({ auth, lifecycle, inspections: deps.inspections }),
      schemaRoutes(permissions.patterns),
      secretsRoutes({ auth, rotation: deps.rotation }),
      replicasRoutes({ auth, replica: deps.replica }),
    ],
    rawRoutes: [
      installRoutes({ ...view, auth, lifecycle }),
      backupRoutes({ ...deps.backup, db, auth, lifecycle, permissions, view }),
      pluginFileContentRoutes({ ...deps.files, auth, resolvePluginName }),
    ],
  };
}
