import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { esbuildPid, openWorkshop, run, type Workshop } from '../packages/fixture.ts';

const SECRET = 'the-secret-of-another-folder';

let shop: Workshop;
/** A file outside of every package, which nothing of it may reach a bundle or an error. */
let outside: string;

beforeAll(async () => {
  shop = await openWorkshop();
  outside = join(shop.dir, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret.ts'), `export default '${SECRET}'`);
  await writeFile(join(outside, 'secret.json'), JSON.stringify({ secret: SECRET }));
  await writeFile(
    join(outside, 'secret.map'),
    JSON.stringify({ version: 3, sources: [`${SECRET}.ts`], sourcesContent: [SECRET], names: [], mappings: 'AAAA' }),
  );
});
afterAll(() => shop.close());

/** Bundles the files and sees that the secret is nowhere; the problems, or none. */
async function attack(files: Record<string, string>): Promise<string[]> {
  const outcome = await shop.bundle(files).then(
    (bundle) => ({ text: bundle.code + bundle.map, issues: [] as string[] }),
    (error) => ({
      text: JSON.stringify(error.extra) + error.message,
      issues: error.extra.errors.map((issue: { message: string }) => issue.message) as string[],
    }),
  );
  expect(outcome.text).not.toContain(SECRET);
  return outcome.issues;
}

describe('45b macros', () => {
  test.each([
    `with { type: 'macro' }`,
    `with { "type": "macro" }`,
    `with { type: 'macro', x: 'y' }`,
    `with { type: 'MACRO' }`,
  ])('%s is refused and does not run', async (attributes) => {
    const proof = join(shop.dir, 'macro-ran');
    const issues = await attack({
      'index.ts': `import { boom } from './macro.ts' ${attributes}; export default boom();`,
      'macro.ts': `import { writeFileSync } from 'node:fs'; export function boom() { writeFileSync(${JSON.stringify(proof)}, 'x'); return 1 }`,
    });
    expect(issues[0]).toContain('imported with attributes');
    expect(existsSync(proof)).toBe(false);
  });

  test('the older form of attributes does not run anything either', async () => {
    const bundle = await shop.bundle({
      'index.js': `import { boom } from './m.js' assert { type: 'macro' }; export default () => boom()`,
      'm.js': 'export const boom = () => globalThis.ran',
    });
    expect(bundle.code).toContain('globalThis.ran');
  });
});

describe('45b imports of what is outside', () => {
  const forms = (path: string) => {
    const quoted = JSON.stringify(path);
    return [
      `import x from ${quoted}; export default x`,
      `export * from ${quoted}`,
      `import(${quoted})`,
      `module.exports = require(${quoted})`,
      `try { module.exports = require(${quoted}) } catch {}`,
      `import x from ${quoted} with { type: 'json' }; export default x`,
      `import x from ${quoted} with { type: 'text' }; export default x`,
      `export default require.resolve(${quoted})`,
    ];
  };

  test('relative, absolute, as an address, with tricks', async () => {
    const up = '../'.repeat(20);
    const paths = [
      `${up}${outside.slice(1)}/secret.ts`,
      `./${up}${outside.slice(1)}/secret.json`,
      `./lib/${up}${outside.slice(1)}/secret.ts`,
      join(outside, 'secret.ts'),
      `/${outside}/secret.ts`,
      `file://${outside}/secret.json`,
      `FILE:${outside}/secret.json`,
      `${up}${outside.slice(1)}/secret`,
      `..\\..\\secret.ts`,
      `.././${up}${outside.slice(1)}/secret.ts?raw`,
      `${up}${outside.slice(1)}/secret.ts#x`,
      'https://example.com/x.js',
      '//example.com/x.js',
      'data:text/javascript,export default 1',
      'blob:x',
      'node:fs',
      'bun:ffi',
      '/',
      '..',
    ];
    for (const path of paths) {
      for (const source of forms(path)) {
        expect([source, (await attack({ 'index.js': source })).length > 0]).toEqual([source, true]);
      }
    }
  });

  test('through package.json of an npm package', async () => {
    const up = '../'.repeat(20) + outside.slice(1);
    for (const target of [
      `${up}/secret.ts`,
      `./${up}/secret.ts`,
      join(outside, 'secret.ts'),
      `file://${outside}/secret.ts`,
    ]) {
      for (const manifest of [
        { main: target },
        { module: target },
        { browser: target },
        { exports: target },
        { exports: { '.': { default: target } } },
        { exports: { './*': `${up}/*` } },
        { browser: { './index.js': target } },
      ]) {
        await attack({
          'index.ts': "import x from 'pkg'; import y from 'pkg/secret.ts'; export default [x, y]",
          'node_modules/pkg/package.json': JSON.stringify(manifest),
          'node_modules/pkg/other.js': '',
        });
      }
    }
  });

  test('through settings that a bundler looks for', async () => {
    const issues = await attack({
      'index.ts': "import x from '@/secret'; export default x",
      'tsconfig.json': JSON.stringify({
        extends: `${outside}/secret.json`,
        compilerOptions: { baseUrl: '/', paths: { '@/*': [`${outside}/*`] } },
      }),
      'package.json': JSON.stringify({ imports: { '#x': `${outside}/secret.ts` }, browserslist: 'ie 6' }),
      '.pnp.cjs': '',
    });
    expect(issues).toHaveLength(1);
  });
});

describe('45b source maps, which esbuild would fetch from the disk', () => {
  const comments = (url: string) => [
    `//# sourceMappingURL=${url}`,
    `//@ sourceMappingURL=${url}`,
    `/*# sourceMappingURL=${url} */`,
    `/*@ sourceMappingURL=${url}*/`,
  ];

  test('a comment that names a file', async () => {
    for (const comment of [
      `file://${outside}/secret.map`,
      `file://localhost${outside}/secret.map`,
      `${outside}/secret.map`,
    ].flatMap(comments)) {
      for (const source of [
        `export default 1\n${comment}`,
        `${comment}\nexport default 1`,
        `export default 1 ${comment}\n`,
      ]) {
        expect(await attack({ 'index.js': source })).toEqual([]);
      }
      await attack({
        'index.ts': `import './node_modules/x/y.js'`,
        'node_modules/x/y.js': `/*! @preserve */ x()\n${comment}`,
      });
    }
  });

  test('an inline map whose sources are files', async () => {
    const map = JSON.stringify({ version: 3, sources: [`file://${outside}/secret.ts`], names: [], mappings: 'AAAA' });
    for (const comment of comments(`data:application/json;base64,${Buffer.from(map).toString('base64')}`)) {
      const bundle = await shop.bundle({ 'index.js': `export default 1\n${comment}` });
      expect(bundle.map).not.toContain(SECRET);
      expect(JSON.parse(bundle.map).sources).toEqual(['index.js']);
    }
  });

  test('such text in a string still means the same', async () => {
    const bundle = await shop.bundle({ 'index.js': "export default '//# sourceMappingURL=x.map'" });
    expect(run<{ default: string }>(bundle).default).toMatch(/^\/\/#[ \t]sourceMappingURL=x\.map$/);
  });
});

describe('45b patterns, for which esbuild would list folders of the disk and read what is in them', () => {
  test('every way to compute a path is refused, and nothing of the folder is told', async () => {
    const relative = `./${'../'.repeat(20)}${outside.slice(1)}/`;
    const quoted = JSON.stringify(relative);
    const sources = [
      `import(${quoted} + x)`,
      `import(\`${relative}\${x}.ts\`)`,
      `require(${quoted} + x)`,
      `require(\`${relative}\${x}\`)`,
      `require('./' + x + '.json')`,
      `\\u0072equire(${quoted} + x)`,
      `import(a ? './index.js' : ${quoted} + x)`,
      `import(/* comment */ ${quoted} + x, { with: { type: 'json' } })`,
      `import((${quoted}) + (x))`,
      `module.require(${quoted} + x)`,
      `module['require'](${quoted} + x)`,
      `if (false) require(${quoted} + x)`,
      `import('\\x2e\\x2e/' + x)`,
      `try { require(${quoted} + x) } catch {}`,
    ];
    for (const source of sources) {
      for (const path of ['index.js', 'node_modules/pkg/index.js']) {
        const issues = await attack({ 'index.js': 'import "pkg"', [path]: `let x, a; ${source}` });
        expect([source, issues.length]).toEqual([source, 1]);
        expect(issues[0]).toStartWith('An import with a computed path cannot be bundled');
      }
    }
  });
});

describe('45b other ways to a file', () => {
  test('new URL, CSS, HTML: nothing is followed', async () => {
    expect(
      await attack({
        'index.ts': `import css from './a.css'; import html from './a.html';
          export default [css, html, () => new URL('file://${outside}/secret.ts', import.meta.url), () => new Worker('${outside}/secret.ts')]`,
        'a.css': `@import "${outside}/secret.ts"; a { background: url("${outside}/secret.ts") }`,
        'a.html': `<script src="${outside}/secret.ts"></script>`,
      }),
    ).toEqual([]);
  });

  test('JSX runtimes are resolved like any import', async () => {
    const issues = await attack({
      'index.tsx': `/** @jsxRuntime automatic @jsxImportSource ${outside} */ export default <a/>`,
    });
    expect(issues[0]).toContain('is not a relative path');
  });

  test.if(process.platform === 'linux')('the bundler has no environment, and can open no file at all', async () => {
    await shop.bundler.warm();
    const proc = `/proc/${await esbuildPid()}`;
    const environment = await readFile(`${proc}/environ`, 'latin1');
    expect(environment.split('\0').filter(Boolean)).toEqual(['GOMEMLIMIT=512MiB']);
    const limits = await readFile(`${proc}/limits`, 'utf8');
    const { length } = await readdir(`${proc}/fd`);
    expect(limits).toMatch(new RegExp(`^Max open files +${length} +${length} `, 'm'));
    expect(limits).toMatch(/^Max address space +\d+ +\d+ /m);
    expect(await readlink(`${proc}/cwd`)).toBe('/');
  });
});
