import { describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { LayerReport } from '../../src/host/confinement.ts';
import { assertMayRun, isBare, type Reach, type Standing, warning, weaknesses } from '../../src/host/policy.ts';
import { createLog } from '../../src/log.ts';

const NOTHING: Reach = {
  env: false,
  files: false,
  sockets: false,
  processes: false,
  parent: false,
  descriptors: false,
};
const layer = (name: LayerReport['layer'], locked: boolean): LayerReport => ({
  layer: name,
  available: true,
  seccomp: locked,
  files: locked,
  detail: '',
});
const standing = (reach: Partial<Reach> = {}, report = layer('bubblewrap', true)): Standing => ({
  layer: report.layer,
  layers: [report],
  reach: { ...NOTHING, ...reach },
});
const silent = createLog('silent');
const refusal = (source: 'upload' | 'folder' | 'builtin', at: Standing, allowUnconfined = false): CodedError | null => {
  try {
    assertMayRun({ name: 'stranger', source }, at, { allowUnconfined, log: silent });
    return null;
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
};

test('everything runs where the probe reached nothing', () => {
  expect(refusal('upload', standing())).toBeNull();
  expect(refusal('upload', standing({}, layer('permission', true)))).toBeNull();
  expect(warning(standing(), true)).toBeNull();
});

describe.each(Object.keys(NOTHING) as (keyof Reach)[])('where the probe reached %s', (what) => {
  const weak = standing({ [what]: true });

  test('an upload is refused, with what was reached and what to do', () => {
    const error = refusal('upload', weak);
    expect(error).toMatchObject({ code: 'confinement_required', status: 409 });
    expect(error?.extra.weaknesses).toEqual(weaknesses(weak));
    expect(weaknesses(weak)).toHaveLength(1);
    expect(error?.message).toContain(weaknesses(weak)[0] as string);
    expect(error?.message).toContain('streamspace doctor');
  });

  test("the operator's own plugins run", () => {
    expect(refusal('folder', weak)).toBeNull();
    expect(refusal('builtin', weak)).toBeNull();
  });

  test('an upload runs when the operator says so, under a warning that names it', () => {
    expect(refusal('upload', weak, true)).toBeNull();
    expect(warning(weak, true)).toContain(weaknesses(weak)[0] as string);
    expect(warning(weak, false)).toBeNull();
  });
});

test("Node's permission model alone does not hold strangers, whatever the probe says", () => {
  const bare = standing({}, layer('permission', false));
  expect(refusal('upload', bare)?.message).toContain("only Node's own permission model");
  expect(refusal('folder', bare)).toBeNull();
  expect(isBare({ layer: 'permission', seccomp: true, files: false })).toBe(true);
  expect(isBare({ layer: 'namespaces', seccomp: false, files: false })).toBe(false);
});

test('no upload runs before a host has said what it reaches', () => {
  expect(refusal('upload', { layer: null, layers: [], reach: null })?.code).toBe('confinement_required');
});
