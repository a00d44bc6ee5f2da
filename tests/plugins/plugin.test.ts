import { describe, expect, test } from 'bun:test';
import type { Instance } from '../../src/plugins/instance.ts';
import { Plugin } from '../../src/plugins/plugin.ts';
import { RegistrationSet } from '../../src/plugins/registrations.ts';
import type { PluginFailure } from '../../src/plugins/state.ts';
import type { PluginRow } from '../../src/plugins/store.ts';

const ROW: PluginRow = {
  id: 1,
  name: 'sleeper',
  version: '1.0.0',
  source: 'upload',
  packageDigest: '0'.repeat(64),
  enabled: true,
  config: {},
  grants: [],
  limits: {},
  ownProcess: false,
  quarantineReason: null,
  revision: 1,
  generation: 1,
  installedAt: new Date(),
  updatedAt: new Date(),
};
const FAILURE: PluginFailure = { code: 'plugin_load_failed', message: 'no', stack: null, at: '' };

function hibernated() {
  const plugin = new Plugin(ROW, null, null);
  const kept = RegistrationSet.of([{ kind: 'method', handler: 1, name: 'hello' }]);
  plugin.state = { kind: 'hibernated', kept };
  let wakes = 0;
  plugin.onWake = () => {
    wakes += 1;
  };
  // Nothing looks into it here.
  const instance = { registrations: new RegistrationSet() } as unknown as Instance;
  return { plugin, kept, instance, wakes: () => wakes };
}

describe('a plugin that hibernates', () => {
  test('is woken once for all who wait, and each gets the instance', async () => {
    const { plugin, kept, instance, wakes } = hibernated();
    const waiting = Promise.all([plugin.ready(), plugin.ready(), plugin.ready()]);
    expect(plugin.state).toEqual({ kind: 'loading', kept });
    expect(plugin.registrations).toBe(kept);
    expect(plugin.isAsleep).toBe(true);
    plugin.state = { kind: 'active', instance, reloadFailure: null };
    expect(await waiting).toEqual([instance, instance, instance]);
    expect(wakes()).toBe(1);
    expect(plugin.isAsleep).toBe(false);
  });

  test('can be reached, unless the core stops', async () => {
    const { plugin } = hibernated();
    expect(plugin.isReachable).toBe(true);
    plugin.onWake = null;
    expect(plugin.isReachable).toBe(false);
    await expect(plugin.ready()).rejects.toMatchObject({ code: 'plugin_unavailable', extra: { retryAfter: 1 } });
  });
});

describe('a plugin that did not wake', () => {
  test('is tried again when its time has come', async () => {
    const { plugin, kept, instance, wakes } = hibernated();
    plugin.state = { kind: 'failed', failure: FAILURE, retry: { at: performance.now(), kept } };
    expect(plugin.isReachable).toBe(true);
    const waiting = plugin.ready();
    plugin.state = { kind: 'active', instance, reloadFailure: null };
    expect(await waiting).toBe(instance);
    expect(wakes()).toBe(1);
  });

  test('and not before', async () => {
    const { plugin, kept, wakes } = hibernated();
    plugin.state = { kind: 'failed', failure: FAILURE, retry: { at: performance.now() + 60_000, kept } };
    expect(plugin.isReachable).toBe(false);
    await expect(plugin.ready()).rejects.toMatchObject({ code: 'plugin_unavailable', extra: { retryAfter: 30 } });
    expect(wakes()).toBe(0);
  });

  test('one that failed for another reason is not tried at all', async () => {
    const { plugin, wakes } = hibernated();
    plugin.state = { kind: 'failed', failure: FAILURE };
    await expect(plugin.ready()).rejects.toMatchObject({ code: 'plugin_unavailable' });
    expect(wakes()).toBe(0);
  });
});

test('what was registered after the load pins the set; the load itself does not', () => {
  const set = new RegistrationSet();
  set.add({ kind: 'method', handler: 1, name: 'one' });
  expect(set.changed).toBe(false);
  set.onChange = () => undefined;
  set.add({ kind: 'method', handler: 2, name: 'two' });
  expect(set.changed).toBe(true);
  expect(RegistrationSet.of(set.list()).list()).toEqual(set.list());
});
