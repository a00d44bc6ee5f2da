import { describe, expect, test } from 'bun:test';
import { MIGRATION_LIMITS } from '../../src/packages/limits.ts';
import { parseManifest } from '../../src/packages/manifest.ts';
import { migrationIssues, migrationsOf } from '../../src/packages/migrations.ts';
import type { PackageFiles } from '../../src/packages/read.ts';

function packageOf(files: Readonly<Record<string, string | Uint8Array>>): PackageFiles {
  const encoder = new TextEncoder();
  const entries = Object.entries(files).map(
    ([path, content]) => [path, typeof content === 'string' ? encoder.encode(content) : content] as const,
  );
  return { files: new Map(entries), digest: '', bytes: 0 };
}
const migrations = (...names: readonly string[]) =>
  packageOf(Object.fromEntries(names.map((name) => [`migrations/${name}`, `-- ${name}`])));
const faults = (pkg: PackageFiles) => migrationIssues(pkg).map(({ message }) => message);

test('they are sorted by their bytes, and read without a byte order mark', () => {
  const pkg = packageOf({
    'migrations/0010_c.sql': 'c',
    'migrations/0002_b.sql': '\ufeffb',
    'migrations/0001_a.sql': 'ä',
    'migrations/README.md': 'not one',
    'other/0003_x.sql': 'not one',
  });
  expect(migrationsOf(pkg)).toEqual([
    { name: '0001_a.sql', sql: 'ä' },
    { name: '0002_b.sql', sql: 'b' },
    { name: '0010_c.sql', sql: 'c' },
  ]);
  expect(migrationIssues(pkg)).toEqual([]);
});

describe('what is wrong is said', () => {
  test.each(['1.sql', '001-init.sql', 'init.sql', '20261121100000_add.users.sql', 'A_b.sql'])('%s is fine', (name) => {
    expect(faults(migrations(name))).toEqual([]);
  });

  test.each([
    ['a b.sql', 'is misnamed'],
    ['_a.sql', 'is misnamed'],
    ['0001_ä.sql', 'is misnamed'],
    ['0001_a.SQL', 'is misnamed'],
    [`${'a'.repeat(200)}.sql`, 'is misnamed'],
    ['later/0001_a.sql', 'is in a folder'],
  ])('%s %s', (name, why) => {
    expect(faults(migrations(name)).join()).toContain(why);
  });

  test('numbers whose order is not that of the names', () => {
    expect(faults(migrations('1_a.sql', '2_b.sql', '10_c.sql')).join()).toContain('"migrations/10_c.sql" sorts before');
    expect(faults(migrations('01_a.sql', '02_b.sql', '10_c.sql'))).toEqual([]);
    expect(faults(migrations('0002_a.sql', '0002_b.sql'))).toEqual([]);
  });

  test('what is no text, or too much of it', () => {
    expect(faults(packageOf({ 'migrations/1.sql': new Uint8Array([0xff, 0xfe]) })).join()).toContain('is not UTF-8');
    expect(faults(packageOf({ 'migrations/1.sql': 'select \0' })).join()).toContain('U+0000');
    const large = 'x'.repeat(MIGRATION_LIMITS.fileBytes);
    expect(faults(packageOf({ 'migrations/1.sql': `${large}x` })).join()).toContain('is over');
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`migrations/${i}.sql`, large]));
    expect(faults(packageOf(many)).join()).toContain('in all');
    const names = Array.from({ length: MIGRATION_LIMITS.files + 1 }, (_, i) => `${String(i).padStart(6, '0')}.sql`);
    expect(faults(migrations(...names)).join()).toContain('more than');
  });

  test('the check of the manifest says it too, and that the permission is missing', () => {
    const check = (manifest: object, files: Record<string, string>) => {
      const facts = JSON.stringify({ name: 'tables', version: '1.0.0', ...manifest });
      try {
        parseManifest(packageOf({ 'manifest.json': facts, 'index.ts': '', ...files }), {
          permissionPatterns: ['database'],
        });
        return [];
      } catch (error) {
        return (error as { extra: { errors: { pointer: string; message: string }[] } }).extra.errors;
      }
    };
    const file = { 'migrations/1_a.sql': '' };
    expect(check({ permissions: ['database'] }, file)).toEqual([]);
    expect(check({ optionalPermissions: ['database'] }, file)).toEqual([]);
    expect(check({}, file)).toMatchObject([
      { pointer: '/permissions', message: expect.stringContaining('"database"') },
    ]);
    expect(check({ permissions: ['database'] }, { 'migrations/a b.sql': '' })).toMatchObject([
      { pointer: '', message: expect.stringContaining('misnamed') },
    ]);
  });
});
