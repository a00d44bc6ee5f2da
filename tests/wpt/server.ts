import { readFile } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import { createHandlers, type Handler } from './handlers.ts';

/** The checkout over HTTP, for tests that read files of it. */
export interface SuiteServer extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  /** Fills in what the suite writes as `{{host}}`, `{{ports[http][0]}}` and the like in `.sub.` files. */
  substitute(text: string): string;
}

const HOST = '127.0.0.1';

/** Serves the files of a folder, and nothing outside of it, on a free port of this machine. */
export function startServer(root: string): SuiteServer {
  const base = normalize(root) + sep;
  const handlers = createHandlers();
  const server = Bun.serve({ hostname: HOST, port: 0, fetch: (request) => answer(base, handlers, request) });
  const port = server.port as number;
  return {
    port,
    origin: `http://${HOST}:${port}`,
    substitute: (text) =>
      text.replace(/\{\{(\w+)(?:\[[^\]}]*\])*(?:\(\))?\}\}/g, (all, name: string) => {
        if (name === 'host' || name === 'domains' || name === 'hosts') return HOST;
        return name === 'ports' ? String(port) : all;
      }),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

async function answer(base: string, handlers: ReadonlyMap<string, Handler>, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const handler = handlers.get(url.pathname);
  if (handler !== undefined) return handler(request, url.searchParams);
  const path = normalize(join(base, decodeURIComponent(url.pathname)));
  if (!path.startsWith(base)) return new Response(null, { status: 404 });
  const file = Bun.file(path);
  if (!(await file.exists())) return new Response(null, { status: 404 });
  return new Response(file, { headers: await headersOf(path) });
}

/** What a `.headers` file beside it says. */
async function headersOf(path: string): Promise<[string, string][]> {
  const text = await readFile(`${path}.headers`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
}
