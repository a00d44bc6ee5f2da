import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { FilesDeps as RoomDeps } from '../../sandbox-apis/files/broker.ts';
import type { FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Keys } from '../secrets/keys.ts';
import { createServiceCalls } from '../services/calls.ts';
import { type BackendName, type Backends, createBackends } from './backends.ts';
import { createFiles, type Files } from './files.ts';
import { BLOB_LIMITS } from './limits.ts';
import { createLocalBackend } from './local-backend.ts';
import { createPluginBackend } from './plugin-backend.ts';
import { createFileUrls, type FileUrls } from './urls.ts';

export interface StartFilesDeps {
  readonly db: Db;
  readonly log: Log;
  /** Where blobs are kept on the local disk. */
  readonly folder: string;
  /** Where new blobs are kept; those that are there stay where they are. */
  readonly backend: BackendName;
  readonly publicUrl: string | null;
  readonly keys: Pick<Keys, 'derive'>;
  readonly lifecycle: () => Pick<Lifecycle, 'get'>;
  readonly switches: Pick<Switches, 'isOff'>;
  readonly quotaOf: (plugin: string) => FilesQuota;
}

export interface StartedFiles {
  readonly files: Files;
  /** For backups, which take the contents as they are. */
  readonly backends: Backends;
  readonly urls: FileUrls;
  /** For the room. */
  readonly signUrl: RoomDeps['signUrl'];
  /** Removes in a moment what nobody has any more of a plugin's. */
  sweepSoon(plugin: string): void;
  /** Removes now, and then every minute, what nobody has. @returns how to stop it */
  startSweep(): () => void;
}

/** Puts the parts of `files` together. */
export function startFiles(deps: StartFilesDeps): StartedFiles {
  const { db, log, folder, backend, publicUrl, keys, lifecycle, switches, quotaOf } = deps;
  const services = createServiceCalls({ lifecycle, switches });
  const backends = createBackends({
    chosen: backend,
    local: createLocalBackend(folder),
    ofPlugin: (plugin) => createPluginBackend(plugin, services),
  });
  const files = createFiles({ db, log, backends, quotaOf });
  const urls = createFileUrls(() => keys.derive('signed file urls'), publicUrl);
  let stopped = false;
  /** What a stop breaks off is found by the next start. */
  const report = (error: unknown): void => {
    if (!stopped) log.error({ err: error }, 'blobs that nobody has were not removed');
  };
  return {
    files,
    backends,
    urls,
    signUrl(plugin, path, { expires, download }) {
      const installation = lifecycle().get(plugin)?.row.id ?? 0;
      if (installation === 0) {
        throw new CodedError(
          'plugin_unavailable',
          'url: links can be signed when the plugin is installed, not while it is',
        );
      }
      const until = Math.ceil(Date.now() / 1_000) + expires;
      const url = urls.sign({ plugin, installation, path, expires: until, download });
      return { url, expiresAt: new Date(until * 1_000).toISOString() };
    },
    sweepSoon: (plugin) => void files.sweep(plugin).catch(report),
    startSweep() {
      const sweep = (): void => void files.sweep().catch(report);
      const timer = setInterval(sweep, BLOB_LIMITS.sweepMs);
      sweep();
      return () => {
        stopped = true;
        clearInterval(timer);
      };
    },
  };
}
