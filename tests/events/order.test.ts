import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import type { Db } from '../../src/db/client.ts';
import { publish } from '../../src/events/publish.ts';
import { mergeSubscriptions } from '../../src/events/subscriptions.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { dispatcherRig, type Rig, type Take } from './kit.ts';
import { installPlugin, resetEvents } from './plugins.ts';

let database: TestDatabase;
let db: Db;
const rigs: Rig[] = [];
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(async () => {
  await Promise.all(rigs.splice(0).map(({ dispatcher }) => dispatcher.stop()));
  await resetEvents(db);
});
afterAll(() => database.drop());

async function start(take: Take, limits: object = {}): Promise<Rig> {
  const rig = dispatcherRig(db, take, { limits });
  rigs.push(rig);
  await rig.dispatcher.start();
  return rig;
}

const backoff = { baseMs: 2, factor: 2, maxMs: 5 };

test('two dispatchers, keys and failures: each key in order, one at a time', async () => {
  await installPlugin(db, 'billing', [{ pattern: '*', orderBy: 'key', concurrency: null }]);
  const open = new Set<number>();
  const taken = new Map<number, number[]>();
  let overlaps = 0;
  let left = 60;
  const done = Promise.withResolvers<void>();
  const take: Take = async ({ data, attempt }) => {
    const { key, n } = data as { key: number; n: number };
    if (open.has(key)) overlaps += 1;
    open.add(key);
    await Promise.resolve();
    open.delete(key);
    if (n % 7 === 0 && attempt === 1) throw new Error('the first time it fails');
    taken.set(key, [...(taken.get(key) ?? []), n]);
    left -= 1;
    if (left === 0) done.resolve();
  };
  for (let n = 0; n < left; n += 1) await publish(db, { name: 'a.b', data: { key: n % 5, n } });
  await start(take, { backoff, perPlugin: 3, pollMs: 20 });
  await start(take, { backoff, perPlugin: 3, pollMs: 20 });
  await done.promise;
  expect(overlaps).toBe(0);
  for (const [key, numbers] of taken) expect(numbers).toEqual(Array.from({ length: 12 }, (_, i) => i * 5 + key));
});

test('a dead letter lets its key go on', async () => {
  await installPlugin(db, 'billing', [{ pattern: '*', orderBy: 'key', concurrency: null }]);
  const first = await publish(db, { name: 'a.b', data: { key: 1 } });
  const second = await publish(db, { name: 'a.b', data: { key: 1 } });
  const rig = await start(
    async ({ id }) => {
      if (id === first) throw new Error('never');
    },
    { backoff, maxAttempts: 3 },
  );
  await rig.until(() => rig.outcomes.some(({ outcome }) => outcome === 'done'));
  expect(rig.calls.map(({ event }) => event.id)).toEqual([first, first, first, second]);
});

test('concurrency 1 is one at a time on all cores, without a pause between', async () => {
  await installPlugin(db, 'billing', [{ pattern: '*', orderBy: null, concurrency: 1 }]);
  let open = 0;
  let most = 0;
  let left = 20;
  const done = Promise.withResolvers<void>();
  const take: Take = async () => {
    open += 1;
    most = Math.max(most, open);
    await Promise.resolve();
    open -= 1;
    left -= 1;
    if (left === 0) done.resolve();
  };
  await Promise.all(Array.from({ length: left }, () => publish(db, { name: 'a.b', data: 1 })));
  // No poll: each goes on by the end of the one before.
  await start(take);
  await start(take);
  await done.promise;
  expect(most).toBe(1);
});

test('a success whose record fails is recorded when the database is back, and not run again', async () => {
  await installPlugin(db, 'billing', ['*']);
  await publish(db, { name: 'a.b', data: 1 });
  const entered = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const rig = await start(
    async () => {
      entered.resolve();
      await goOn.promise;
    },
    { settleRetryMs: 1 },
  );
  await entered.promise;
  await db.schema.alterTable('deliveries').renameTo('deliveries_away').execute();
  goOn.resolve();
  // The pass after it fails too, and says so.
  await rig.until(() => rig.errors.length > 0);
  await db.schema
    .alterTable('deliveries_away' as 'deliveries')
    .renameTo('deliveries')
    .execute();
  await rig.until(() => rig.outcomes.length === 1);
  expect(rig.calls).toHaveLength(1);
});

test('several subscriptions of a pattern are one: the smallest concurrency, and the order there is', () => {
  expect(
    mergeSubscriptions([
      { pattern: 'b' },
      { pattern: 'a', concurrency: 4 },
      { pattern: 'a', orderBy: 'k', concurrency: 2 },
      { pattern: 'a' },
    ]),
  ).toEqual([
    { pattern: 'a', orderBy: 'k', concurrency: 2 },
    { pattern: 'b', orderBy: null, concurrency: null },
  ]);
});
