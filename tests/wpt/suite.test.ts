import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { assemble, casesOf, checkCheckout, readMeta } from './suite.ts';

const SUITE = join(import.meta.dir, 'fixtures/suite');
const area = { name: 'url', paths: ['url'] };
const same = (text: string) => text;

test('a folder without a harness is no checkout', () => {
  expect(() => checkCheckout(import.meta.dir)).toThrow('no resources/testharness.js');
  checkCheckout(SUITE);
});

test('the first lines say what a file needs', () => {
  const meta = readMeta('// META: timeout=long\n// words\n\n// META: variant=?a=b\ncode();\n// META: title=late');
  expect(meta).toEqual({ scripts: [], variants: ['?a=b'], globals: null, title: '', long: true });
});

test('an area runs each variant, and what is for no other kind of global', () => {
  const found = casesOf(SUITE, area).map(({ path, variant }) => path + variant);
  expect(found).toEqual([
    'url/broken.any.js',
    'url/fails.any.js?one',
    'url/fails.any.js?two',
    'url/lost.any.js',
    'url/passes.any.js',
  ]);
  const windowless = { ...area, windowless: ['url/page.window.js'] };
  expect(casesOf(SUITE, windowless).map(({ path }) => path)).toContain('url/page.window.js');
  expect(casesOf(SUITE, { name: 'absent', paths: ['absent'] })).toEqual([]);
});

test('a file may take six times as long when it says so', () => {
  const ms = (path: string) => casesOf(SUITE, { name: path, paths: [path] })[0]?.timeoutMs;
  expect([ms('url/passes.any.js'), ms('encoding/hangs.any.js')]).toEqual([10_000, 60_000]);
});

test('helpers come before the file, and the whole is strict when each of them is', () => {
  const { script, title } = assemble(SUITE, 'url/passes.any.js', (text) => text.replace('{{host}}', 'filled'));
  expect(title).toBe('What an isolate finds around it');
  expect(script.indexOf('function demand')).toBeLessThan(script.indexOf("HOST = 'filled'"));
  expect(script.indexOf("HOST = 'filled'")).toBeLessThan(script.indexOf("'the stage'"));
  expect(script.startsWith("'use strict'")).toBe(false);
  expect(() => assemble(SUITE, 'url/lost.any.js', same)).toThrow('absent.js');
});
