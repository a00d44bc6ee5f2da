import { describe, expect, test } from 'bun:test';
import { HOST_LIMITS } from '../../src/host/limits.ts';
import { type Placement, slotNames } from '../../src/host/placement.ts';
import { lodgingOf } from '../../src/plugins/placement.ts';
import type { Plugin } from '../../src/plugins/plugin.ts';

const NOW = 1_000_000;
const plugin = (source: string, over: Partial<Plugin> = {}) =>
  ({ name: 'tester', row: { source }, apartUntil: 0, strikes: [], ...over }) as unknown as Plugin;

describe('where a plugin lives', () => {
  test.each([
    ['builtin', 'builtin'],
    ['folder', 'verified'],
    ['upload', 'unverified'],
  ] as const)('%s: with those that are %s', (source, trust) => {
    expect(lodgingOf(plugin(source), false, NOW)).toEqual({ placement: { kind: 'shared', trust }, onPool: false });
  });

  test('who may have brought a process down has its own, for a while', () => {
    const suspect = plugin('upload', { apartUntil: NOW + 1 });
    expect(lodgingOf(suspect, false, NOW).placement).toEqual({ kind: 'own', plugin: 'tester' });
    expect(lodgingOf(suspect, false, NOW + 1).placement.kind).toBe('shared');
  });

  test('whom an admin gives its own process has it', () => {
    expect(lodgingOf(plugin('builtin'), true, NOW).placement).toEqual({ kind: 'own', plugin: 'tester' });
  });

  test('who lost an isolate not long ago is kept off the main thread', () => {
    expect(lodgingOf(plugin('upload', { strikes: [NOW - HOST_LIMITS.apartMs + 1] }), false, NOW).onPool).toBe(true);
    expect(lodgingOf(plugin('upload', { strikes: [NOW - HOST_LIMITS.apartMs] }), false, NOW).onPool).toBe(false);
  });
});

test('processes: one for each kind of trusted plugins, some for strangers, one for each that is apart', () => {
  const names = (placement: Placement) => slotNames(placement);
  expect(names({ kind: 'shared', trust: 'builtin' })).toEqual(['builtin']);
  expect(names({ kind: 'shared', trust: 'verified' })).toEqual(['verified']);
  expect(names({ kind: 'own', plugin: 'tester' })).toEqual(['own:tester']);
  const strangers = names({ kind: 'shared', trust: 'unverified' });
  expect(strangers.length).toBeGreaterThan(0);
  expect(strangers.length).toBeLessThanOrEqual(HOST_LIMITS.strangersAtMost);
  expect(strangers.every((name, at) => name === `unverified-${at + 1}`)).toBe(true);
});
