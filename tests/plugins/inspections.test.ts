import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { Inspection } from '../../src/host/inspection.ts';
import { createLog } from '../../src/log.ts';
import { Inspections } from '../../src/plugins/inspections.ts';
import type { Instance } from '../../src/plugins/instance.ts';
import type { Plugin } from '../../src/plugins/plugin.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

// Who looks into which plugin: written down, one at a time, and put back whatever happens.

let base: TestDatabase;
beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base.drop());
beforeEach(async () => {
  await base.db.deleteFrom('audit_log').execute();
});

const PLUGIN = { name: 'shop' } as Plugin;
const ACTOR = { kind: 'user', id: 'ada', userId: 'ada' } as const;
const nothing = { onMessage: () => undefined, onEnd: () => undefined };

/** Over a plugin whose isolate is not there: only its inspection is. */
function inspections(over: { enabled?: boolean; inspect?: () => Promise<Instance> } = {}) {
  const inspection = new Inspection(1, { send: () => undefined });
  const instance = { guest: { inspection }, parts: { stacks: { sourceMap: '{}' } } } as unknown as Instance;
  const back: Instance[] = [];
  const made = new Inspections({
    db: base.db,
    log: createLog('silent'),
    enabled: over.enabled ?? true,
    lifecycle: {
      inspect: over.inspect ?? (async () => instance),
      endInspection: async (_plugin, inspected) => void back.push(inspected),
    },
  });
  return { made, inspection, instance, back };
}
const audited = async () =>
  (await base.db.selectFrom('audit_log').selectAll().orderBy('id').execute()).map(
    ({ action, actor, target, detail }) => ({
      action,
      actor,
      target,
      detail,
    }),
  );

test('each session is in the audit log: who, what for, how it ended', async () => {
  const { made, back, instance } = inspections();
  const session = await made.open(PLUGIN, ACTOR, 'profile', nothing);
  expect(made.isOpen('shop')).toBe(true);
  await expect(made.open(PLUGIN, ACTOR, 'inspector', nothing)).rejects.toMatchObject({ code: 'inspector_busy' });
  session.close();
  session.close();
  const rows = await until(async () => {
    const found = await audited();
    return found.length === 2 ? found : null;
  }, 'both are written down');
  expect(rows).toMatchObject([
    { action: 'plugin.inspected', actor: 'ada', target: 'shop', detail: { purpose: 'profile' } },
    { action: 'plugin.inspection_ended', actor: 'ada', target: 'shop', detail: { reason: 'it was closed' } },
  ]);
  expect(back).toEqual([instance]);
  expect(made.isOpen('shop')).toBe(false);
});

test('when the plugin cannot be inspected, the next one may try', async () => {
  const { made } = inspections({ inspect: () => Promise.reject(new Error('it does not load')) });
  for (let times = 0; times < 2; times += 1) {
    await expect(made.open(PLUGIN, ACTOR, 'inspector', nothing)).rejects.toThrow('it does not load');
  }
  expect(made.isOpen('shop')).toBe(false);
});

test('when the operator forbids it nothing happens at all', async () => {
  const { made } = inspections({ enabled: false });
  await expect(made.open(PLUGIN, ACTOR, 'inspector', nothing)).rejects.toMatchObject({ code: 'inspector_off' });
  expect(made.demand.bind(made)).toThrow('The operator forbids');
  expect(await audited()).toEqual([]);
});
