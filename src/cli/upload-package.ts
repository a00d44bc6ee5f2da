import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Manifest } from '../packages/manifest.ts';
import { readArchive } from '../packages/read.ts';
import type { Client } from './client.ts';
import { type GrantOptions, withConsent } from './consent.ts';
import { Failure } from './failure.ts';
import { archiveName, packFolder, readManifest } from './pack.ts';
import type { PluginView } from './plugins.ts';
import { withProgress } from './terminal.ts';

/** A package of the command line, as it is uploaded. */
export interface NamedPackage {
  readonly manifest: Manifest;
  readonly file: File;
}

/** The package that is uploaded: packed here when it is a folder, as it is otherwise; its manifest is read either way. */
export async function readPackage(given: string): Promise<NamedPackage> {
  const path = resolve(given);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(`${path} cannot be read: ${cause.code ?? cause.message}`, { cause });
  });
  if (found.isDirectory()) {
    const { manifest, archive } = await packFolder(path);
    return { manifest, file: new File([archive], archiveName(manifest), { type: 'application/gzip' }) };
  }
  const archive = new Uint8Array(await readFile(path));
  const manifest = readManifest(await readArchive(archive));
  return { manifest, file: new File([archive], basename(path), { type: 'application/gzip' }) };
}

/** Installs a package; asks for permissions that are not granted yet. */
export function uploadPackage(
  client: Client,
  { manifest, file }: NamedPackage,
  options: GrantOptions & {
    readonly config: Record<string, unknown> | null;
    readonly enable: boolean;
    readonly downgrade: boolean;
  },
): Promise<PluginView> {
  return withConsent(client, manifest.name, options, (grants) => {
    const form = new FormData();
    form.set('package', file);
    form.set('enable', String(options.enable));
    form.set('downgrade', String(options.downgrade));
    if (grants !== undefined) form.set('grants', grants === 'all' ? grants : JSON.stringify(grants));
    if (options.config !== null) form.set('config', JSON.stringify(options.config));
    const label = `Uploading ${file.name} (${Math.ceil(file.size / 1024)} KB)`;
    return withProgress(label, client.call<PluginView>('POST', '/api/plugins/install', { form }));
  });
}
