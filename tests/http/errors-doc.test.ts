import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Glob } from 'bun';
import { CodedError, ERRORS } from '../../sandbox-apis/_kit/errors.ts';
import { errorsHtml, errorsMarkdown } from '../../src/http/errors-doc.ts';

const root = join(import.meta.dir, '../..');
const codes = Object.keys(ERRORS);

describe('the registry of error codes', () => {
  test('is what docs/errors.md says (write it anew with `bun src/http/errors-doc.ts`)', async () => {
    expect(await Bun.file(join(root, 'docs/errors.md')).text()).toBe(errorsMarkdown());
  });

  test('is what the page says, with an anchor for each `type`', () => {
    const anchors = [...errorsHtml().matchAll(/<tr id="(\w+)">/g)].map(([, id]) => id ?? '');
    expect(anchors).toEqual(codes);
  });

  test('has statuses that HTTP knows as errors, and codes in snake case', () => {
    for (const [code, { status, title, help }] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toBeWithin(400, 600);
      expect(title).not.toEndWith('.');
      expect(help).toEndWith('.');
    }
  });

  test('has every code that the source uses', async () => {
    const used = new Map<string, string>();
    for (const folder of ['src', 'sandbox-apis', 'runtime']) {
      for await (const path of new Glob('**/*.{ts,tsx}').scan({ cwd: join(root, folder) })) {
        const text = await Bun.file(join(root, folder, path)).text();
        for (const [, code] of text.matchAll(/new CodedError\(\s*'(\w+)'/g))
          if (code) used.set(code, `${folder}/${path}`);
      }
    }
    expect(used.size).toBeGreaterThan(10);
    expect([...used].filter(([code]) => !codes.includes(code))).toEqual([]);
  });

  test('is what the type allows', () => {
    // @ts-expect-error a code that the registry does not have
    expect(() => new CodedError('no_such_code')).toThrow();
    expect(new CodedError('not_found')).toMatchObject({ status: 404, message: ERRORS.not_found.title, extra: {} });
  });
});
