import type { ServiceCalls } from '../services/calls.ts';
import { assertKey, type BlobBackend } from './backend.ts';

/** Blobs that a plugin keeps, by the service `storage-backend` that it provides. */
export function createPluginBackend(plugin: string, services: ServiceCalls): BlobBackend {
  return {
    async put(key, body, { size, signal }) {
      assertKey(key);
      await services.call(plugin, 'storage-backend', 'put', { key, size }, { body, signal });
    },
    async get(key, range) {
      assertKey(key);
      return (await services.call(plugin, 'storage-backend', 'get', { key, range })).body;
    },
    async stat(key) {
      assertKey(key);
      return (await services.call(plugin, 'storage-backend', 'stat', { key })).value;
    },
    async delete(key) {
      assertKey(key);
      await services.call(plugin, 'storage-backend', 'delete', { key });
    },
  };
}
