import { createHash } from 'node:crypto';
import type { FileInfo, FilesService } from '../../sandbox-apis/files/service.ts';

/** Files in memory: no quota, no conditions, no folders. */
export function memoryFiles(): FilesService {
  const rows = new Map<string, { readonly info: FileInfo; readonly bytes: Uint8Array }>();
  const keyOf = (plugin: string, path: string) => JSON.stringify([plugin, path]);
  const put = (plugin: string, path: string, bytes: Uint8Array, file: Pick<FileInfo, 'contentType' | 'metadata'>) => {
    const now = new Date().toISOString();
    const etag = createHash('sha256').update(bytes).digest('hex');
    const { contentType, metadata } = file;
    const info = { path, size: bytes.length, etag, contentType, metadata, createdAt: now, updatedAt: now };
    rows.set(keyOf(plugin, path), { info, bytes });
    return info;
  };
  const copy: FilesService['copy'] = async (plugin, from, to) => {
    const row = rows.get(keyOf(plugin, from));
    return row === undefined ? null : put(plugin, to, row.bytes, row.info);
  };
  return {
    async put(plugin, path, content, file) {
      return put(plugin, path, await new Response(content as BodyInit).bytes(), file);
    },
    async get(plugin, path, choose) {
      const row = rows.get(keyOf(plugin, path));
      if (row === undefined) return null;
      const range = choose(row.info);
      if (range === 'head') return { info: row.info, range: null, content: null };
      const content = range === null ? row.bytes : row.bytes.slice(range.offset, range.offset + range.length);
      return { info: row.info, range, content };
    },
    stat: async (plugin, path) => rows.get(keyOf(plugin, path))?.info ?? null,
    async list(plugin, { prefix, limit }) {
      const mine = [...rows].filter(([key]) => (JSON.parse(key) as string[])[0] === plugin);
      const files = mine.map(([, { info }]) => info).filter(({ path }) => path.startsWith(prefix));
      return { files: files.slice(0, limit), folders: [], last: null };
    },
    delete: async (plugin, path) => rows.delete(keyOf(plugin, path)),
    copy,
    async move(plugin, from, to) {
      const info = await copy(plugin, from, to, {});
      rows.delete(keyOf(plugin, from));
      return info;
    },
  };
}
