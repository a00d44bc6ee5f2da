import { describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { resolveLimits } from '../../src/plugins/limits.ts';
import { testQuotas } from '../kit/quotas.ts';

/** The error that something throws; null when it does not. */
function thrown(act: () => unknown): CodedError | null {
  try {
    act();
    return null;
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
}

/** Seconds from now on to the time that a refusal names. */
const inSeconds = (error: CodedError | null): number =>
  Math.round((Date.parse(String(error?.extra.resetsAt)) - Date.now()) / 1000);

test('CPU: over it nothing begins until the minute ends, and no other plugin notices', () => {
  const tested = testQuotas({ cpuMsPerMinute: 100 });
  const { quotas } = tested;
  const limits = resolveLimits({}, tested.limits);
  const guest = { cpuMs: 90, heapBytes: 0 };
  expect(quotas.heard('busy', guest)).toBe(90);
  expect(thrown(() => quotas.of('busy').admit(0, limits))).toBeNull();
  tested.now = 20_000;
  guest.cpuMs = 130;
  expect(quotas.heard('busy', guest)).toBe(40);
  const error = thrown(() => quotas.of('busy').admit(0, limits));
  expect(error).toMatchObject({ code: 'quota_exceeded', extra: { limit: 'cpuMsPerMinute', max: 100 } });
  expect(error?.message).toContain('cpuMsPerMinute of busy (100)');
  expect(inSeconds(error)).toBe(40);
  expect(quotas.of('busy').cpuResetMs()).toBe(40_000);
  expect(thrown(() => quotas.of('calm').admit(0, limits))).toBeNull();
  tested.now = 60_000;
  expect(quotas.of('busy').cpuResetMs()).toBe(0);
  expect(thrown(() => quotas.of('busy').admit(0, limits))).toBeNull();
});

test('CPU of two isolates of a plugin adds up; one that is heard of again counts what is new', () => {
  const { quotas } = testQuotas();
  const [old, next] = [
    { cpuMs: 10, heapBytes: 2 ** 20 },
    { cpuMs: 5, heapBytes: 3 * 2 ** 20 },
  ];
  quotas.heard('p', old);
  quotas.heard('p', next);
  quotas.heard('p', old);
  const use = (limit: string) =>
    quotas
      .of('p')
      .uses()
      .find((entry) => entry.limit === limit);
  expect(use('cpuMsPerMinute')).toMatchObject({ used: 15, max: 30_000, resetsAt: expect.any(String) });
});

test('calls in flight: as many as the limit, whoever waits', () => {
  const { quotas, refused } = testQuotas();
  const limits = resolveLimits({ callsInFlight: 2 }, {});
  expect(thrown(() => quotas.of('p').admit(1, limits))).toBeNull();
  const error = thrown(() => quotas.of('p').admit(2, limits));
  expect(error?.extra).toEqual({ limit: 'callsInFlight', max: 2, resetsAt: null });
  expect(refused).toEqual(['p callsInFlight!']);
});

describe('calls into the core', () => {
  test('each capability has its window, and another number when it has one', () => {
    const tested = testQuotas({ hostCallsPerMinute: { default: 2, fetch: 1 } });
    const p = tested.quotas.of('p');
    const call = (room: string) => thrown(() => p.countCall(room))?.extra.limit ?? 'ok';
    expect(['storage', 'storage', 'storage', 'fetch', 'fetch', 'config'].map(call)).toEqual([
      'ok',
      'ok',
      'hostCallsPerMinute.storage',
      'ok',
      'hostCallsPerMinute.fetch',
      'ok',
    ]);
    tested.now = 60_000;
    expect(['storage', 'fetch'].map(call)).toEqual(['ok', 'ok']);
  });

  test('so many at a time; one that was refused is not under way', () => {
    const p = testQuotas({ hostCallsInFlight: 2 }).quotas.of('p');
    p.beginCall();
    p.beginCall();
    for (let i = 0; i < 5; i += 1) expect(thrown(() => p.beginCall())?.extra.limit).toBe('hostCallsInFlight');
    p.endCall();
    expect(thrown(() => p.beginCall())).toBeNull();
    expect(p.uses().find(({ limit }) => limit === 'hostCallsInFlight')).toMatchObject({ used: 2, max: 2 });
  });
});

test('bytes: what passes the limit is refused, and so is the next request until the minute ends', () => {
  const tested = testQuotas({ outboundBytesPerMinute: 100 });
  const p = tested.quotas.of('p');
  p.transfer(0);
  p.transfer(100);
  expect(thrown(() => p.transfer(0))?.extra).toMatchObject({ limit: 'outboundBytesPerMinute', max: 100 });
  tested.now = 60_000;
  expect(thrown(() => p.transfer(60))).toBeNull();
  expect(thrown(() => p.transfer(60))?.extra.limit).toBe('outboundBytesPerMinute');
  expect(p.uses().find(({ limit }) => limit === 'outboundBytesPerMinute')?.used).toBe(120);
});

test('lines: the plugin and the core have as many each', () => {
  const tested = testQuotas({ logLinesPerMinute: 2 });
  const p = tested.quotas.of('p');
  expect([1, 2, 3].map(() => p.mayLog('plugin'))).toEqual([true, true, false]);
  expect([1, 2, 3].map(() => p.mayLog('core'))).toEqual([true, true, false]);
  tested.now = 60_000;
  expect(p.mayLog('plugin')).toBe(true);
});

test('a limit that was raised counts at once', () => {
  const tested = testQuotas({ logLinesPerMinute: 1 });
  const p = tested.quotas.of('p');
  expect([p.mayLog('plugin'), p.mayLog('plugin')]).toEqual([true, false]);
  tested.limits = { logLinesPerMinute: 2 };
  expect([p.mayLog('plugin'), p.mayLog('plugin')]).toEqual([true, false]);
});

test('of each limit the log is told once a minute', () => {
  const tested = testQuotas({ hostCallsPerMinute: { default: 1 } });
  const flood = (): void => {
    for (let i = 0; i < 4; i += 1) thrown(() => tested.quotas.of('p').countCall('storage'));
  };
  flood();
  expect(tested.refused).toEqual(['p hostCallsPerMinute.storage!', ...Array(2).fill('p hostCallsPerMinute.storage')]);
  tested.now = 60_000;
  flood();
  expect(tested.refused.filter((line) => line.endsWith('!'))).toHaveLength(2);
});

test('a plugin that is dropped begins anew', () => {
  const { quotas } = testQuotas({ logLinesPerMinute: 1 });
  quotas.of('p').mayLog('plugin');
  quotas.drop('p');
  expect(quotas.of('p').mayLog('plugin')).toBe(true);
});

test('CPU: an isolate that goes on by itself is a runaway, one that only ends what it had begun is not', () => {
  const { quotas } = testQuotas({ cpuMsPerMinute: 100 });
  const guest = { cpuMs: 5_100, heapBytes: 0 };
  quotas.heard('busy', guest);
  expect(quotas.of('busy').isRunaway(guest.cpuMs)).toBe(false);
  guest.cpuMs = 5_200;
  quotas.heard('busy', guest);
  expect(quotas.of('busy').isRunaway(guest.cpuMs)).toBe(true);
  // The one that takes over has spent nothing yet.
  expect(quotas.of('busy').isRunaway(20)).toBe(false);
  expect(quotas.of('calm').isRunaway(6_000)).toBe(false);
});
