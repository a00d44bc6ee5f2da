import { describe, expect, test } from 'bun:test';
import { CONTRACTS } from '../../src/broker/rooms.ts';
import { PermissionCatalog } from '../../src/permissions/grants.ts';
import { permissionReport, type ReportInput } from '../../src/permissions/report.ts';
import type { Use } from '../../src/permissions/use-rows.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000);
const use = (name: string, facts: Partial<Use> = {}): Use => ({
  kind: 'permission',
  name,
  grantedAt: null,
  uses: 0,
  firstUsedAt: null,
  lastUsedAt: null,
  refused: 0,
  lastRefusedAt: null,
  ...facts,
});
const report = (input: Partial<ReportInput>) =>
  permissionReport({
    manifest: { permissions: [], optionalPermissions: [] },
    grants: [],
    capabilities: [],
    off: [],
    uses: [],
    catalog: new PermissionCatalog(CONTRACTS),
    unusedDays: 30,
    now: NOW,
    ...input,
  });

describe('permissions', () => {
  test('are those that are granted, asked for, or were used or refused before, each with its sentence', () => {
    const { permissions } = report({
      manifest: { permissions: ['users:read'], optionalPermissions: ['network:example.com'] },
      grants: ['users:read', 'network:10.0.0.1:80'],
      uses: [
        use('users:read', { grantedAt: daysAgo(2), uses: 7, firstUsedAt: daysAgo(1), lastUsedAt: NOW }),
        use('network:10.0.0.1:80', { grantedAt: daysAgo(2) }),
        use('plugins:call:billing', { refused: 3, lastRefusedAt: NOW }),
      ],
    });
    const brief = permissions.map(({ permission, granted, asked, optional, uses, refused }) => ({
      [permission]: [granted, asked, optional, uses, refused],
    }));
    expect(brief).toEqual([
      { 'network:10.0.0.1:80': [true, false, false, 0, 0] },
      { 'network:example.com': [false, true, true, 0, 0] },
      { 'plugins:call:billing': [false, false, false, 0, 3] },
      { 'users:read': [true, true, false, 7, 0] },
    ]);
    expect(permissions[3]).toMatchObject({
      description: 'See the accounts of users, and hear of their events',
      grantedAt: daysAgo(2).toISOString(),
      firstUsedAt: daysAgo(1).toISOString(),
      lastUsedAt: NOW.toISOString(),
    });
    expect(permissions[2]?.lastRefusedAt).toBe(NOW.toISOString());
  });

  test.each([
    ['never used, granted long ago', { grantedAt: daysAgo(31) }, true],
    ['never used, granted lately', { grantedAt: daysAgo(29) }, false],
    ['used by the load that came with it', { grantedAt: daysAgo(40), lastUsedAt: new Date(+daysAgo(40) - 50) }, false],
    ['used once, long ago', { grantedAt: daysAgo(90), uses: 1, lastUsedAt: daysAgo(80) }, false],
    [
      'used before it was taken away and given again',
      { grantedAt: daysAgo(40), uses: 1, lastUsedAt: daysAgo(50) },
      true,
    ],
  ])('unused: %s', (_what, facts, expected) => {
    const { unused } = report({ grants: ['network'], uses: [use('network', facts)] });
    expect(unused).toEqual(expected ? ['network'] : []);
  });

  test('what is not granted is never unused, and the days are as asked', () => {
    const uses = [use('files', { grantedAt: null }), use('network', { grantedAt: daysAgo(0.5) })];
    expect(report({ grants: ['network'], uses, unusedDays: 0 })).toMatchObject({ unused: ['network'], unusedDays: 0 });
    expect(report({ grants: ['network'], uses, unusedDays: 1 }).unused).toEqual([]);
  });

  test('without a manifest there are still grants', () => {
    const { permissions } = report({ manifest: null, grants: ['network'] });
    expect(permissions).toMatchObject([{ permission: 'network', granted: true, asked: false, grantedAt: null }]);
  });
});

test('capabilities show their switch, who turned it and why, and why one has none', () => {
  const { capabilities } = report({
    capabilities: [
      { name: 'fetch', summary: 'Requests', fixed: null },
      { name: 'files', summary: 'Files', fixed: null },
      { name: 'log', summary: 'Lines', fixed: 'You need it.' },
    ],
    off: [{ capability: 'fetch', at: NOW, by: 'a-user', reason: 'A stranger' }],
    uses: [use('fetch', { kind: 'capability', uses: 2, lastUsedAt: NOW }), use('files', { uses: 9 })],
  });
  expect(capabilities).toMatchObject([
    {
      capability: 'fetch',
      on: false,
      off: { at: NOW.toISOString(), by: 'a-user', reason: 'A stranger' },
      switchable: true,
      fixed: null,
      uses: 2,
    },
    // The permission of the same name has counts of its own.
    { capability: 'files', on: true, off: null, uses: 0 },
    { capability: 'log', on: true, switchable: false, fixed: 'You need it.' },
  ]);
});
