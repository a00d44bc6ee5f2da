import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../../src/db/client.ts';
import { createSql } from '../../src/db/sql.ts';
import { publish } from '../../src/events/publish.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { dispatcherRig, hang, type Rig, type Take } from './kit.ts';
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

async function start(take: Take, options: Parameters<typeof dispatcherRig>[2] = {}): Promise<Rig> {
  const rig = dispatcherRig(db, take, options);
  rigs.push(rig);
  await rig.dispatcher.start();
  return rig;
}

const take: Take = async () => {};
const fail: Take = async () => {
  throw new Error('no');
};
const event = (name = 'user.created', data: unknown = 1) => publish(db, { name, data });
const deliveries = () => db.selectFrom('deliveries').selectAll().orderBy('plugin_name').execute();
const makeDue = () =>
  db
    .updateTable('deliveries')
    .set({ next_attempt_at: new Date(0) })
    .execute();

describe('a delivery', () => {
  test('brings the event as it was stored, and is done', async () => {
    await installPlugin(db, 'billing', ['user.*']);
    const rig = await start(take);
    const id = await event('user.created', { email: 'a@b' });
    rig.dispatcher.poke();
    await rig.until(() => rig.outcomes.length === 1);
    const stored = await db.selectFrom('events').select('created_at').executeTakeFirstOrThrow();
    expect(rig.calls).toMatchObject([
      {
        plugin: 'billing',
        event: { id, name: 'user.created', data: { email: 'a@b' }, time: stored.created_at.toISOString(), attempt: 1 },
      },
    ]);
    expect(rig.outcomes).toEqual([{ plugin: 'billing', outcome: 'done' }]);
    expect(await deliveries()).toMatchObject([
      { state: 'done', attempts: 1, claimed_by: null, last_error: null, settled_at: expect.any(Date) },
    ]);
  });

  test('that was waiting before the start is taken up by it', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const rig = await start(take);
    await rig.until(() => rig.outcomes.length === 1);
  });

  test('is woken for by the hint of another process', async () => {
    await installPlugin(db, 'billing', ['*']);
    const sql = createSql({ address: database.address, max: 1, log: createLog('error') });
    const rig = await start(take, { sql });
    await event();
    await rig.until(() => rig.outcomes.length === 1);
    await rig.dispatcher.stop();
    await sql.end();
  });

  test('is found by the poll when no hint came', async () => {
    await installPlugin(db, 'billing', ['*']);
    const rig = await start(take, { limits: { pollMs: 5 } });
    await event();
    await rig.until(() => rig.outcomes.length === 1);
  });

  test('comes once for each event and plugin when two dispatchers are at work', async () => {
    await installPlugin(db, 'billing', ['*']);
    await installPlugin(db, 'slack', ['user.*']);
    // Nothing ends before both have begun: neither can do it all alone.
    const begun = Promise.withResolvers<void>();
    const together = new Set<string>();
    const by = (name: string): Take => {
      return async () => {
        if (together.add(name).size === 2) begun.resolve();
        await begun.promise;
      };
    };
    const rigA = await start(by('a'), { limits: { perPlugin: 3 } });
    const rigB = await start(by('b'), { limits: { perPlugin: 3 } });
    const both = () => [...rigA.calls, ...rigB.calls].map(({ plugin, event }) => `${plugin} ${event.id}`);
    const ids = await Promise.all(Array.from({ length: 40 }, () => event()));
    const finished = Promise.withResolvers<void>();
    const check = () => {
      const all = rigA.outcomes.length + rigB.outcomes.length === 80;
      if (all) finished.resolve();
      return all;
    };
    void rigA.until(check);
    void rigB.until(check);
    rigA.dispatcher.poke();
    rigB.dispatcher.poke();
    await finished.promise;
    expect(both().sort()).toEqual(ids.flatMap((id) => [`billing ${id}`, `slack ${id}`]).sort());
  });
});

describe('a failed attempt', () => {
  test('is noted and waits for the backoff', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const before = Date.now();
    const rig = await start(fail);
    await rig.until(() => rig.outcomes.length === 1);
    const [row] = await deliveries();
    expect(rig.outcomes).toEqual([{ plugin: 'billing', outcome: 'failed' }]);
    expect(row).toMatchObject({ state: 'pending', attempts: 1, claimed_by: null, last_error: 'Error: no' });
    const waitMs = (row?.next_attempt_at.getTime() ?? 0) - before;
    // One second, the upper half of it random; the time of the test comes on top.
    expect(waitMs).toBeGreaterThanOrEqual(490);
    expect(waitMs).toBeLessThan(5_000);
  });

  test('is followed by the next by itself, and the last makes a dead letter', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const backoff = { baseMs: 2, factor: 2, maxMs: 5 };
    const rig = await start(fail, { limits: { maxAttempts: 4, backoff } });
    await rig.until(() => rig.outcomes.at(-1)?.outcome === 'dead');
    expect(rig.calls.map((call) => call.event.attempt)).toEqual([1, 2, 3, 4]);
    expect(new Set(rig.calls.map((call) => call.event.id)).size).toBe(1);
    expect(await deliveries()).toMatchObject([
      { state: 'dead', attempts: 4, last_error: 'Error: no', settled_at: expect.any(Date), claimed_by: null },
    ]);
  });

  test('that is followed by a good one is done, and what went wrong stays readable', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const rig = await start((delivered, ...rest) => (delivered.attempt === 1 ? fail : take)(delivered, ...rest));
    await rig.until(() => rig.outcomes.length === 1);
    await makeDue();
    rig.dispatcher.poke();
    await rig.until(() => rig.outcomes.length === 2);
    expect(await deliveries()).toMatchObject([{ state: 'done', attempts: 2, last_error: 'Error: no' }]);
  });

  test('may throw at once or throw what Postgres cannot hold', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const rig = await start(() => {
      throw new CodedError('plugin_error', `a\0\ud800${'x'.repeat(5_000)}`);
    });
    await rig.until(() => rig.outcomes.length === 1);
    const [row] = await deliveries();
    expect(row?.last_error).toStartWith('plugin_error: a\ufffdxxx');
    expect(row?.last_error).toHaveLength(2_000);
  });

  test('is one that overruns the deadline, whatever the sink does', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const rig = await start(hang, { limits: { deadlineMs: 5 } });
    await rig.until(() => rig.outcomes.length === 1);
    expect(rig.calls[0]?.signal.reason).toMatchObject({ code: 'deadline_exceeded' });
    expect(await deliveries()).toMatchObject([
      { state: 'pending', attempts: 1, last_error: 'deadline_exceeded: The handlers took longer than 5 ms' },
    ]);
  });
});

describe('a plugin that is not running', () => {
  test('is not tried; its events wait for it', async () => {
    await installPlugin(db, 'billing', ['*']);
    await installPlugin(db, 'slack', ['*']);
    const rig = await start(take);
    rig.unready.add('billing');
    await event();
    rig.dispatcher.poke();
    await rig.until(() => rig.outcomes.length === 1);
    expect(rig.calls.map(({ plugin }) => plugin)).toEqual(['slack']);
    expect(await deliveries()).toMatchObject([
      { plugin_name: 'billing', state: 'pending', attempts: 0 },
      { plugin_name: 'slack', state: 'done' },
    ]);
    rig.unready.clear();
    rig.dispatcher.poke();
    await rig.until(() => rig.outcomes.length === 2);
    expect(rig.calls[1]).toMatchObject({ plugin: 'billing', event: { attempt: 1 } });
  });

  test.each(['plugin_unavailable', 'plugin_disabled', 'plugin_quarantined'] as const)(
    'loses no attempt when that shows only then (%s)',
    async (code) => {
      await installPlugin(db, 'billing', ['*']);
      await event();
      const rig = await start(async () => {
        throw new CodedError(code);
      });
      await rig.until(() => rig.calls.length === 1);
      await rig.dispatcher.stop();
      const [row] = await deliveries();
      expect(row).toMatchObject({ state: 'pending', attempts: 0, claimed_by: null });
      expect(row?.next_attempt_at.getTime()).toBeGreaterThan(Date.now());
      expect(rig.outcomes).toEqual([]);
    },
  );
});

describe('a slow plugin', () => {
  test('has its own few slots and does not hold up the others', async () => {
    await installPlugin(db, 'slow', ['slow.*']);
    await installPlugin(db, 'quick', ['quick.*']);
    for (let n = 0; n < 10; n += 1) await event('slow.a');
    const rig = await start((...args) => (args[2] === 'slow' ? hang : take)(...args), { limits: { perPlugin: 4 } });
    await rig.until(() => rig.calls.length === 4);
    for (let n = 0; n < 20; n += 1) await event('quick.a');
    rig.dispatcher.poke();
    await rig.until(() => rig.outcomes.length === 20);
    expect(rig.outcomes.every(({ plugin }) => plugin === 'quick')).toBe(true);
    expect(rig.calls.filter(({ plugin }) => plugin === 'slow')).toHaveLength(4);
  });

  test('all together stay within the global number', async () => {
    for (const name of ['aaa', 'bbb', 'ccc', 'ddd']) await installPlugin(db, name, ['*']);
    for (let n = 0; n < 5; n += 1) await event();
    const release: (() => void)[] = [];
    let open = 0;
    let most = 0;
    const rig = await start(
      async () => {
        open += 1;
        most = Math.max(most, open);
        await new Promise<void>((resolve) => release.push(resolve));
        open -= 1;
      },
      { limits: { perPlugin: 2, global: 3 } },
    );
    while (rig.outcomes.length < 20) {
      await rig.until(() => release.length > 0 || rig.outcomes.length === 20);
      for (const resolve of release.splice(0)) resolve();
    }
    expect(most).toBe(3);
  });
});

describe('a lease', () => {
  test('that ran out is taken over, the attempt counted', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    await db
      .updateTable('deliveries')
      .set({ claimed_by: Bun.randomUUIDv7(), attempts: 1, next_attempt_at: new Date(Date.now() - 1) })
      .execute();
    const rig = await start(take);
    await rig.until(() => rig.outcomes.length === 1);
    expect(rig.calls[0]?.event.attempt).toBe(2);
  });

  test('of another dispatcher is respected until then', async () => {
    await installPlugin(db, 'billing', ['*']);
    const rig1 = await start(hang, { limits: { perPlugin: 1 } });
    await event();
    rig1.dispatcher.poke();
    await rig1.until(() => rig1.calls.length === 1);
    const rig2 = await start(take);
    const second = await event();
    rig2.dispatcher.poke();
    await rig2.until(() => rig2.outcomes.length === 1);
    expect(rig2.calls.map((call) => call.event.id)).toEqual([second]);
  });

  test('that was lost meanwhile leaves the other outcome alone', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const { promise: blocked, resolve: unblock } = Promise.withResolvers<void>();
    const rig1 = await start(async () => {
      await blocked;
      throw new Error('too late');
    });
    await rig1.until(() => rig1.calls.length === 1);
    await makeDue();
    const rig2 = await start(take);
    await rig2.until(() => rig2.outcomes.length === 1);
    unblock();
    await rig1.until(() => rig1.outcomes.length === 1);
    expect(await deliveries()).toMatchObject([{ state: 'done', attempts: 2, last_error: null }]);
  });
});

describe('stop', () => {
  test('waits for what is in flight', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const { promise: blocked, resolve: unblock } = Promise.withResolvers<void>();
    const rig = await start(() => blocked, { limits: { drainMs: 10_000 } });
    await rig.until(() => rig.calls.length === 1);
    const stopped = rig.dispatcher.stop();
    unblock();
    await stopped;
    expect(rig.outcomes).toEqual([{ plugin: 'billing', outcome: 'done' }]);
  });

  test('gives back what does not end in time, to be taken up at once', async () => {
    await installPlugin(db, 'billing', ['*']);
    await event();
    const rig = await start(hang);
    await rig.until(() => rig.calls.length === 1);
    await rig.dispatcher.stop();
    expect(rig.calls[0]?.signal.aborted).toBe(true);
    expect(await deliveries()).toMatchObject([{ state: 'pending', attempts: 1, claimed_by: null, last_error: null }]);
    const next = await start(take);
    await next.until(() => next.outcomes.length === 1);
    expect(next.calls[0]?.event.attempt).toBe(2);
  });

  test('ends the work: later pokes do nothing', async () => {
    await installPlugin(db, 'billing', ['*']);
    const rig = await start(take);
    await rig.dispatcher.stop();
    await event();
    rig.dispatcher.poke();
    await rig.dispatcher.stop();
    expect(rig.calls).toEqual([]);
    expect(await deliveries()).toMatchObject([{ state: 'pending', attempts: 0 }]);
  });
});

test('trouble with the database is survived', async () => {
  await installPlugin(db, 'billing', ['*']);
  const rig = await start(take);
  rig.unready.add('billing');
  await event();
  await db.schema.alterTable('deliveries').renameTo('deliveries_away').execute();
  rig.dispatcher.poke();
  await rig.until(() => rig.errors.length > 0);
  expect(rig.errors[0]).toContain('cannot look for deliveries');
  await db.schema
    .alterTable('deliveries_away' as 'deliveries')
    .renameTo('deliveries')
    .execute();
  rig.unready.clear();
  rig.dispatcher.poke();
  await rig.until(() => rig.outcomes.length === 1);
});
