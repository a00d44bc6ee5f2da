import { describe, expect, test } from 'bun:test';
import { chmodSync, closeSync, fstatSync, mkdirSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkConfinement } from '../../src/cli/checks/confinement.ts';
import { confine, detectLayers, LAYERS } from '../../src/host/confinement.ts';
import { hostFiles } from '../../src/host/files.ts';
import { IsolateHost } from '../../src/host/isolate-host.ts';
import { NO_LOCKS } from '../../src/host/lockdown-plan.ts';
import { isOpenToAll, privateFile } from '../../src/host/path-access.ts';
import { weaknesses } from '../../src/host/policy.ts';
import { loadPrelude } from '../../src/host/prelude.ts';
import { createLog } from '../../src/log.ts';
import { tempFolder } from '../kit/plugin.ts';

const FILES = hostFiles();

test('each layer is reported, the best first, with what it does or why it is not there', () => {
  const layers = detectLayers();
  expect(layers.map(({ layer }) => layer)).toEqual([...LAYERS]);
  for (const { detail } of layers) expect(detail).not.toBe('');
  expect(layers.at(-1)).toMatchObject({ layer: 'permission', available: true });
});

test('without locks the last layer is Node alone', () => {
  using confined = confine('permission', FILES, ['--permission'], NO_LOCKS);
  expect(confined.command.slice(confined.command.indexOf(FILES.node))).toEqual([
    FILES.node,
    '--permission',
    FILES.entry,
  ]);
  expect(confined.descriptors).toEqual([]);
});

test('the filter goes to bubblewrap as a descriptor, which is let go with the rest', () => {
  const confined = confine('bubblewrap', FILES, [], { seccomp: true, files: true });
  const [descriptor] = confined.descriptors as [number];
  const at = confined.command.indexOf('--seccomp');
  expect(confined.command.slice(at, at + 2)).toEqual(['--seccomp', '4']);
  expect(fstatSync(descriptor)).toMatchObject({ nlink: 0 });
  confined[Symbol.dispose]();
  expect(() => fstatSync(descriptor)).toThrow('EBADF');
});

test('a private file stands at its first byte', () => {
  const { descriptor } = privateFile('/tmp', new Uint8Array([1, 2, 3]));
  const bytes = new Uint8Array(8);
  expect(readSync(descriptor, bytes)).toBe(3);
  closeSync(descriptor);
  expect(bytes.slice(0, 3)).toEqual(new Uint8Array([1, 2, 3]));
});

test('a file in a closed folder is not open to all', async () => {
  await using folder = await tempFolder();
  const inner = join(folder.path, 'inner');
  const file = join(inner, 'file');
  chmodSync(folder.path, 0o755);
  mkdirSync(inner, { mode: 0o755 });
  writeFileSync(file, '', { mode: 0o644 });
  expect(isOpenToAll(file)).toBe(true);
  chmodSync(inner, 0o700);
  expect(isOpenToAll(file)).toBe(false);
  chmodSync(inner, 0o755);
  chmodSync(file, 0o600);
  expect(isOpenToAll(file)).toBe(false);
});

test("the probe finds what Node's permission model alone leaves open: the parent", async () => {
  await using cache = await tempFolder();
  const nothing = (): void => undefined;
  const host = await IsolateHost.start({
    files: FILES,
    layer: 'permission',
    locks: NO_LOCKS,
    prelude: await loadPrelude(cache.path),
    log: createLog('silent'),
    guests: { onCall: nothing, onCallAbort: nothing, onDeadline: nothing, onGone: nothing, onStats: nothing },
    onExit: nothing,
  });
  host.kill('the test is over');
  expect(host.ready.reach).toMatchObject({
    env: false,
    files: false,
    sockets: false,
    parent: true,
    descriptors: false,
  });
  const layers = [{ layer: 'permission', available: true, ...NO_LOCKS, detail: '' }] as const;
  expect(weaknesses({ layer: 'permission', layers, reach: host.ready.reach })).toContain(
    'it can signal the core or look into it',
  );
});

describe('doctor', () => {
  test('says the layer and its locks, and keeps warning of STREAMSPACE_ALLOW_UNCONFINED', async () => {
    const best = detectLayers().find(({ available }) => available);
    const found = await checkConfinement({ allowUnconfined: false, isolateHost: null });
    expect(found.detail).toStartWith(`${best?.layer}: ${best?.detail}`);
    const allowed = await checkConfinement({ allowUnconfined: true, isolateHost: null });
    expect(allowed).toMatchObject({ name: 'confinement', state: 'warn' });
    expect(allowed.detail).toContain('WARNING: STREAMSPACE_ALLOW_UNCONFINED');
  });
});
