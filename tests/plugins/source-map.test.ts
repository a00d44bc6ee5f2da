import { beforeAll, describe, expect, test } from 'bun:test';
import { build } from 'esbuild';
import { withAuthorsPlaces } from '../../src/plugins/log-stacks.ts';
import { excerpt } from '../../src/plugins/source-excerpt.ts';
import { belowWrapper, StackMapper } from '../../src/plugins/source-map.ts';

const FILES: Readonly<Record<string, string>> = {
  'index.ts': `import { total } from './node_modules/prices/index.js';

export interface Basket { items: number[] }
export function onLoad(basket: Basket): number {
  if (basket === null) throw new TypeError('no basket');
  return total(basket.items);
}
`,
  'node_modules/prices/index.js': `export function total(items) {
  return items.length.of.something;
}
`,
};

let code: string;
let map: string;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: ['index.ts'],
    bundle: true,
    write: false,
    outdir: '/',
    format: 'cjs',
    sourcemap: 'external',
    plugins: [
      {
        name: 'files',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /./ }, ({ path }) => ({ path: path.replace(/^\.\//, ''), namespace: 'x' }));
          onLoad({ filter: /./ }, ({ path }) => ({
            contents: FILES[path] ?? '',
            loader: path.endsWith('ts') ? 'ts' : 'js',
          }));
        },
      },
    ],
  });
  const text = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  const parsed: { sources: string[] } = JSON.parse(text('.map'));
  code = text('.js');
  map = JSON.stringify({ ...parsed, sources: parsed.sources.map((source) => source.replace(/^.*x:/, '')) });
});

/** `line:column` of a text in the bundle, as V8 has it. */
function at(text: string): string {
  const before = code.slice(0, code.indexOf(text)).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

describe('a stack', () => {
  test('names the author’s files, and shows the lines around the first place', () => {
    const mapper = new StackMapper('shop', map);
    const stack = `TypeError: no basket\n    at onLoad (plugin:shop:${at('throw new TypeError')})\n    at run (streamspace:prelude:1:2)`;
    expect(mapper.map(stack)).toBe(
      [
        'TypeError: no basket',
        '    at onLoad (index.ts:5:24)',
        '      3 | export interface Basket { items: number[] }',
        '      4 | export function onLoad(basket: Basket): number {',
        "    > 5 |   if (basket === null) throw new TypeError('no basket');",
        '        |                        ^',
        '      6 |   return total(basket.items);',
        '      7 | }',
      ].join('\n'),
    );
  });

  test('shows where the author called a package, not what the package does', () => {
    const stack = `Error: x\n    at total (plugin:shop:${at('items.length.of')})\n    at onLoad (plugin:shop:${at('total(basket')})`;
    const mapped = new StackMapper('shop', map).map(stack);
    expect(mapped).toContain('at total (node_modules/prices/index.js:2:');
    expect(mapped).toContain('    > 6 |   return total(basket.items);');
    expect(mapped).not.toContain('> 2 |');
  });

  test('shows what caused it too, each with its place, up to four', () => {
    const frame = `\n    at onLoad (plugin:shop:${at('total(basket')})`;
    const stack = `Error: a${frame}${frame}\nCaused by: Error: b${frame}${'\nOne of its errors [0]: Error: c'.concat(frame).repeat(9)}`;
    const mapped = new StackMapper('shop', map).map(stack);
    expect(mapped.split('> 6 |')).toHaveLength(5);
    expect(mapped).toContain('Caused by: Error: b\n    at onLoad (index.ts:6:10)\n');
  });

  test('has no frame of the prelude, of Node and of isolated-vm', () => {
    const stack = [
      'Error: x',
      '    at dispatch (streamspace:prelude:1:1)',
      '    at (<isolated-vm boundary>)',
      '    at Socket.callback (file:///work/main/runtime/channel.ts:48:16)',
      '    at node:internal/process/task_queues:105:5',
      '    at Array.map (<anonymous>)',
    ].join('\n');
    expect(new StackMapper('shop', map).map(stack)).toBe('Error: x\n    at Array.map (<anonymous>)');
  });

  test('of another plugin, of nowhere, or made up is left as it is', () => {
    const mapper = new StackMapper('shop', map);
    for (const place of [
      'plugin:other:1:1',
      'plugin:shop:0:0',
      'plugin:shop:99999999999999999999:1',
      'plugin:shop:9:9999',
    ])
      expect(mapper.map(`Error: x\n    at f (${place})`)).toContain(place === 'plugin:shop:9:9999' ? 'at f (' : place);
  });

  test('of an inspected isolate is a line lower', () => {
    const [line = 0, column = 0] = at('throw new TypeError').split(':').map(Number);
    const stack = `Error: x\n    at onLoad (plugin:shop:${line + 1}:${column})`;
    expect(new StackMapper('shop', belowWrapper(map)).map(stack)).toContain('at onLoad (index.ts:5:24)');
  });
});

describe('an excerpt', () => {
  test('begins and ends with the source', () => {
    expect(excerpt('one', 1, 1)).toBe('    > 1 | one\n        | ^');
    expect(excerpt('one\ntwo', 3, 1)).toBeNull();
    expect(excerpt('one\ntwo', 0, 1)).toBeNull();
  });

  test('keeps tabs, so that the caret is below its character', () => {
    expect(excerpt('\t\tdoIt();', 1, 3)).toBe('    > 1 | \t\tdoIt();\n        | \t\t^');
  });

  test('of a packed line is the part that matters', () => {
    const shown = excerpt(`${'a'.repeat(5_000)}HERE${'b'.repeat(5_000)}`, 1, 5_001) ?? '';
    const [line = '', caret = ''] = shown.split('\n');
    expect(shown.length).toBeLessThan(300);
    expect(line.slice(caret.indexOf('^'))).toStartWith('HERE');
  });

  test('a place beyond the end of its line is no reason to fail', () => {
    expect(excerpt('ab', 1, 10_000)?.length).toBeLessThan(200);
  });
});

describe('a line of the log', () => {
  const stacks = () => new StackMapper('shop', map);

  test('has the author’s places in its message, fields and errors', () => {
    const stack = `Error: x\n    at onLoad (plugin:shop:${at('total(basket')})`;
    const line = withAuthorsPlaces(
      {
        level: 'error',
        message: `at plugin:shop:${at('total(basket')}`,
        fields: { stack, error: { name: 'Error', stack, cause: [{ stack }] }, count: 3 },
      },
      stacks(),
    );
    expect(line.message).toBe('at index.ts:6:10');
    const {
      stack: mapped,
      error,
      count,
    } = line.fields as { stack: string; error: { stack: string; cause: object[] }; count: 3 };
    expect(mapped).toContain('> 6 |   return total(basket.items);');
    expect([error.stack, error.cause, count]).toEqual([mapped, [{ stack: mapped }], 3]);
  });

  test('that names no place is the same line', () => {
    const line = { level: 'info', message: 'plugin:other:1:1', fields: { a: [{ b: 'c' }] } } as const;
    expect(withAuthorsPlaces(line, stacks())).toBe(line);
    expect(withAuthorsPlaces(line, undefined)).toBe(line);
  });
});
