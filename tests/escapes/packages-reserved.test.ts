import { describe, expect, test } from 'bun:test';
import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { parseManifest } from '../../src/packages/manifest.ts';
import { packageOf, refusal } from '../packages/fixture.ts';

describe('45 reserved names of plugins', () => {
  test.each([
    '../',
    '../../etc',
    'a/b',
    'a\\b',
    '.',
    '..',
    '',
    'pg_catalog',
    'pg-catalog',
    '__proto__',
    'constructor',
    'prototype',
    'catalog',
    'install',
    'marketplace',
    'repositories',
    'ui',
    'bulk',
    'metrics',
    'UPPER',
    'sp ace',
    'nul\0',
    'új-név',
    'x',
    'ab',
    'a'.repeat(64),
    '1abc',
    '-abc',
    'a%2e',
    'a.b',
  ])('%j', async (name) => {
    const json = JSON.stringify({ name, version: '1.0.0' });
    const error = await refusal(() =>
      parseManifest(packageOf({ 'manifest.json': json, 'index.ts': '' }), { permissionPatterns: [] }),
    );
    expect((error.extra.errors as Issue[]).map((issue) => issue.pointer)).toEqual(['/name']);
  });

  test('names that only begin or end like them are fine', () => {
    for (const name of ['pgsql', 'catalog-tools', 'my-constructor', 'abc']) {
      const json = JSON.stringify({ name, version: '1.0.0' });
      expect(parseManifest(packageOf({ 'manifest.json': json, 'index.ts': '' }), { permissionPatterns: [] }).name).toBe(
        name,
      );
    }
  });
});
