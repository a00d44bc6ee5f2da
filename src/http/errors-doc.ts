import { ERRORS, type ErrorSpec } from '../../sandbox-apis/_kit/errors.ts';

const entries = Object.entries(ERRORS) as [string, ErrorSpec][];

/** The text of docs/errors.md: each code of the registry. Written by `bun src/http/errors-doc.ts`. */
export function errorsMarkdown(): string {
  const rows = entries.map(([code, { status, title, help }]) => `| \`${code}\` | ${status} | ${title} | ${help} |`);
  return [
    '# Errors',
    '',
    'Generated from `sandbox-apis/_kit/errors.ts` by `bun src/http/errors-doc.ts`; edit the registry, not this page.',
    '',
    'REST answers carry them as `application/problem+json` (RFC 9457):',
    '',
    '```json',
    '{',
    '  "type": "/api/docs/errors#not_found",',
    '  "title": "There is nothing here",',
    '  "status": 404,',
    '  "detail": "There is no user 3b241101-e2bb-4255-8caf-4136c566a962",',
    '  "instance": "/api/users/3b241101-e2bb-4255-8caf-4136c566a962",',
    '  "code": "not_found"',
    '}',
    '```',
    '',
    'A `code` is stable: match on it. `title` and `detail` are for people and may be reworded. Some codes add members, such',
    'as `errors` (JSON pointers and reasons), `permission`, `limit`, `retryAfter` or `errorId`. Plugins see the same codes on',
    'the errors that the sandbox APIs throw; 499 and 508 occur there only.',
    '',
    '| code | status | what it means | what to do |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** The same as a page, whose fragments the `type` of problem documents points at. */
export function errorsHtml(): string {
  const rows = entries.map(
    ([code, { status, title, help }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${text(title)}</td><td>${text(help)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>StreamSpace: errors</title>
<link rel="stylesheet" href="/api/docs/page.css">
</head>
<body>
<h1>Errors</h1>
<p>The <code>code</code> of a problem document is stable: match on it.</p>
<table>
<thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">What it means</th><th scope="col">What to do</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

/** Escaped, with `code` between backticks. */
function text(markdown: string): string {
  return Bun.escapeHTML(markdown)
    .replaceAll(/`([^`]*)`/g, '<code>$1</code>')
    .replaceAll(/&#x60;([^&]*)&#x60;/g, '<code>$1</code>');
}

if (import.meta.main) await Bun.write(new URL('../../docs/errors.md', import.meta.url), errorsMarkdown());
