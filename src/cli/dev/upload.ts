import type { Client } from '../client.ts';
import { type GrantOptions, withConsent } from '../consent.ts';
import { archiveName, packFolder } from '../pack.ts';
import { findPlugin, type PluginView } from '../plugins.ts';

/** Packs a folder and puts it into the host, enabled; asks for permissions that are not granted yet. */
export async function upload(client: Client, folder: string, options: GrantOptions): Promise<PluginView> {
  const { manifest, archive } = await packFolder(folder);
  const file = new File([archive], archiveName(manifest), { type: 'application/gzip' });
  return withConsent(client, manifest.name, options, (grants) => {
    const form = new FormData();
    form.set('package', file);
    form.set('enable', 'true');
    // Whoever edits a plugin may go back to what it was.
    form.set('downgrade', 'true');
    if (grants !== undefined) form.set('grants', grants === 'all' ? grants : JSON.stringify(grants));
    return client.call<PluginView>('POST', '/api/plugins/install', { form });
  });
}

/** Whether the host reads the plugin from a folder that it watches: then it takes changes by itself. */
export async function isWatched(client: Client, name: string): Promise<boolean> {
  return (await findPlugin(client, name))?.source === 'folder';
}
