import { definePlugin } from '@streamspace/sdk';
import { Gunzip, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from 'fflate';

const bytes = (data: Uint8Array): Response => new Response(new Uint8Array(data));

export default definePlugin({
  onLoad({ api }) {
    api.post('/gzip', async (request) => bytes(gzipSync(await request.bytes(), { level: 9, mtime: 0 })), {
      auth: 'public',
    });
    api.post(
      '/gunzip',
      async (request) => {
        const parts: Uint8Array[] = [];
        const stream = new Gunzip((chunk) => parts.push(chunk));
        for await (const chunk of request.body ?? []) stream.push(chunk);
        stream.push(new Uint8Array(), true);
        return new Response(new Blob(parts as Uint8Array<ArrayBuffer>[]));
      },
      { auth: 'public' },
    );
    api.post(
      '/zip',
      async (request) => {
        const { files } = (await request.json()) as { files: Record<string, string> };
        const entries = Object.entries(files).map(([name, text]) => [name, strToU8(text)] as const);
        return bytes(zipSync(Object.fromEntries(entries), { level: 6, mtime: '2026-11-21' }));
      },
      { auth: 'public' },
    );
    api.post(
      '/unzip',
      async (request) => {
        const files = unzipSync(await request.bytes());
        return Object.fromEntries(Object.entries(files).map(([name, content]) => [name, strFromU8(content)]));
      },
      { auth: 'public' },
    );
  },
});
