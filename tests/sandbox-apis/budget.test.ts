import { expect, test } from 'bun:test';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createBudgetBroker } from '../../sandbox-apis/budget/broker.ts';
import { createBudget } from '../../sandbox-apis/budget/guest.ts';
import { PLUGIN_LIMITS } from '../../src/host/limits.ts';
import { resolveLimits } from '../../src/plugins/limits.ts';
import { createBudget as createCoreBudget } from '../../src/quotas/budget.ts';
import { testCaller } from '../kit/caller.ts';
import { testQuotas } from '../kit/quotas.ts';

const { quotas } = testQuotas();
quotas.of('mine').countCall('storage');
quotas.of('theirs').transfer(500);
const budget = createBudgetBroker({
  budget: createCoreBudget({
    quotas,
    limitsOf: () => resolveLimits({}, {}),
    callsOf: () => 3,
    storedBytes: async (plugin) => plugin.length,
    databaseBytes: async () => 5,
    filesUsage: async () => ({ bytes: 7, files: 2 }),
  }),
});
const { caller } = testCaller({ plugin: 'mine' });
const host = { call: (_name: string, input: { limit?: string }) => budget.get(caller, input) } as unknown as GuestHost;
const mine = createBudget(host);

test('lists every limit once, with what is used, by name', async () => {
  const entries = await mine.get();
  const names = entries.map(({ limit }) => limit);
  expect(names).toEqual([...new Set(names)].sort());
  for (const name of Object.keys(PLUGIN_LIMITS)) expect(names).toContain(name);
  expect(entries).toContainEqual({ limit: 'callsInFlight', max: 256, used: 3, resetsAt: null });
  expect(entries).toContainEqual({ limit: 'storageBytes', max: 50 * 1024 * 1024, used: 4, resetsAt: null });
  expect(entries).toContainEqual({ limit: 'databaseBytes', max: 1024 ** 3, used: 5, resetsAt: null });
  expect(entries).toContainEqual({ limit: 'filesBytes', max: 1024 ** 3, used: 7, resetsAt: null });
  expect(entries).toContainEqual({ limit: 'filesCount', max: 100_000, used: 2, resetsAt: null });
  expect(entries).toContainEqual({ limit: 'timers', max: 10_000, used: null, resetsAt: null });
});

test('one limit by its name; what was counted by time says when it is free again', async () => {
  expect(await mine.get('hostCallsPerMinute.storage')).toEqual({
    limit: 'hostCallsPerMinute.storage',
    max: 30_000,
    used: 1,
    resetsAt: expect.stringMatching(/Z$/),
  });
  expect(await mine.get('outboundBytesPerMinute')).toMatchObject({ used: 0, resetsAt: null });
});

test('a name that is none is refused', async () => {
  expect(mine.get('constructor')).rejects.toMatchObject({ code: 'invalid_input' });
});
