import { expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import { HOST_CALL_LIMITS, PLUGIN_LIMITS } from '../../src/host/limits.ts';
import { resolveLimits } from '../../src/plugins/limits.ts';
import { limitsSchema } from '../../src/quotas/limits-schema.ts';

test('the numbers are in order, and said in words', () => {
  for (const spec of [...Object.values(PLUGIN_LIMITS), ...Object.values(HOST_CALL_LIMITS)]) {
    expect(spec.least).toBeLessThanOrEqual(spec.default);
    expect(spec.default).toBeLessThanOrEqual(spec.ceiling);
    expect(spec.about.length).toBeGreaterThan(10);
  }
});

test('the manifest asks, the admin sets, the ceiling wins', () => {
  expect(resolveLimits({}, {}).cpuMsPerMinute).toBe(PLUGIN_LIMITS.cpuMsPerMinute.default);
  expect(resolveLimits({ cpuMsPerMinute: 100 }, {}).cpuMsPerMinute).toBe(100);
  expect(resolveLimits({ cpuMsPerMinute: 100 }, { cpuMsPerMinute: 200 }).cpuMsPerMinute).toBe(200);
  expect(resolveLimits({}, { cpuMsPerMinute: 1e9 }).cpuMsPerMinute).toBe(PLUGIN_LIMITS.cpuMsPerMinute.ceiling);
  expect(resolveLimits({ memoryMb: 1 }, {}).memoryMb).toBe(PLUGIN_LIMITS.memoryMb.least);
  expect(resolveLimits({ storageBytes: 0 }, {}).storageBytes).toBe(0);
});

test('the operator may set another ceiling, lower or higher, and it caps the default too', () => {
  expect(resolveLimits({}, { memoryMb: 2_048 }, { memoryMb: 1_024 }).memoryMb).toBe(1_024);
  expect(resolveLimits({}, {}, { memoryMb: 16 }).memoryMb).toBe(16);
});

test('calls by capability: own numbers, the default for the rest, ceilings for all', () => {
  const asked = { hostCallsPerMinute: { default: 50, storage: 10, fetch: 1e9 } };
  const { hostCallsPerMinute } = resolveLimits(asked, { hostCallsPerMinute: { secrets: 1e9 } });
  expect(hostCallsPerMinute).toMatchObject({
    default: 50,
    storage: 10,
    fetch: HOST_CALL_LIMITS.fetch?.ceiling,
    secrets: HOST_CALL_LIMITS.default?.ceiling,
    events: HOST_CALL_LIMITS.events?.default,
  });
  const capped = resolveLimits(asked, {}, { hostCallsPerMinute: { default: 5, fetch: 7 } }).hostCallsPerMinute;
  expect(capped).toMatchObject({ default: 5, storage: 5, fetch: 7 });
});

test.each([
  [{ cpuMsPerMinute: 0 }],
  [{ cpuMsPerMinute: '5' }],
  [{ timers: 1.5 }],
  [{ cpu: 5 }],
  [{ hostCallsPerMinute: 5 }],
  [{ hostCallsPerMinute: { fetch: 0 } }],
  [{ hostCallsPerMinute: { __proto__x: 1 } }],
  [{ hostCallsPerMinute: { 'fetch.request': 1 } }],
])('the schema refuses %j', (limits) => {
  expect(Value.Check(limitsSchema, limits)).toBe(false);
});

test('the schema takes every limit by name', () => {
  const all = Object.fromEntries(Object.entries(PLUGIN_LIMITS).map(([name, spec]) => [name, spec.ceiling]));
  expect(Value.Check(limitsSchema, { ...all, hostCallsPerMinute: { default: 1, storage: 5 } })).toBe(true);
});
