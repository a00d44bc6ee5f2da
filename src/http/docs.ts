import { fileURLToPath } from 'node:url';
import { Elysia, file } from 'elysia';
import { errorsHtml } from './errors-doc.ts';
import { openapiDocument } from './openapi-document.ts';
import { PAGE_HEADERS } from './security-headers.ts';

export interface DocsDeps {
  /** OpenAPI paths of the core; asked at each request, when all routes are known. */
  readonly corePaths: () => Record<string, object>;
  /** OpenAPI paths of the plugins that are enabled at the moment. */
  readonly pluginPaths: () => Record<string, object>;
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>StreamSpace: API reference</title>
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<main id="swagger-ui"></main>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/api/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n`;
const STYLE = `:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { border: 1px solid #8886; padding: .4rem .6rem; text-align: left; }
tr:target { outline: 3px solid Highlight; }
`;

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

const swaggerUi = (name: string) => fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`));

/** `/api/openapi.json`, and pages that show it: Swagger UI from node_modules, so that they work without the internet. */
export function docsRoutes({ corePaths, pluginPaths }: DocsDeps) {
  const page = (type: string) => ({
    detail: { hide: true },
    beforeHandle: ({ set }: { set: { headers: Record<string, string | number> } }) => {
      Object.assign(set.headers, PAGE_HEADERS, { 'content-type': type });
    },
  });
  return (
    new Elysia()
      // Until there is a page of its own, the reference is what a browser finds.
      .get('/', ({ redirect }) => redirect('/api/docs'), { detail: { hide: true } })
      .get('/api/openapi.json', () => openapiDocument(corePaths(), pluginPaths()), { detail: { hide: true } })
      .get('/api/docs', () => PAGE, page(HTML))
      .get('/api/docs/errors', () => errorsHtml(), page(HTML))
      .get('/api/docs/page.css', () => STYLE, page(CSS))
      .get('/api/docs/start.js', () => START, page(SCRIPT))
      .get('/api/docs/swagger-ui.css', () => file(swaggerUi('swagger-ui.css')), page(CSS))
      .get('/api/docs/swagger-ui-bundle.js', () => file(swaggerUi('swagger-ui-bundle.js')), page(SCRIPT))
  );
}
