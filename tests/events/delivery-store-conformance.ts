import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { Claim, DeliveryStore } from '../../src/events/delivery-store.ts';

/** A delivery store under test, and what the rest of the platform does to its tables. */
export interface StoreRig {
  readonly store: DeliveryStore;
  /** Installs a plugin that every event goes to; `orderBy`: a property of the data. */
  install(plugin: string, options?: { orderBy?: string; concurrency?: number }): Promise<void>;
  /** Removes it, with its deliveries. */
  uninstall(plugin: string): Promise<void>;
  /** @returns the event's id */
  publish(data?: unknown): Promise<string>;
  /** As after that many milliseconds: what was due by then is due now, and leases have ended. */
  pass(ms: number): Promise<void>;
  outcomes(plugin: string): Promise<{ event: string; state: 'pending' | 'done' | 'dead'; attempts: number }[]>;
  /** An admin's `redeliver` of what is settled. */
  redeliver(plugin: string, event: string): Promise<void>;
  close(): Promise<void>;
}

const LEASE_MS = 60_000;
/** Two dispatchers. */
export const OWNERS = ['01890000-0000-7000-8000-000000000001', '01890000-0000-7000-8000-000000000002'] as const;
const [A, B] = OWNERS;

/** What every delivery store does, whatever it keeps its deliveries in. */
export function deliveryStoreConformance(name: string, open: () => Promise<StoreRig>): void {
  let rig: StoreRig;
  beforeEach(async () => {
    rig = await open();
  });
  afterEach(() => rig.close());

  const claim = (owner: string, slots: Record<string, number>): Promise<Claim[]> =>
    rig.store.claim(owner, new Map(Object.entries(slots)), LEASE_MS);
  const events = (claims: readonly Claim[]): string[] => claims.map(({ event }) => event.id);
  const one = async (owner: string, plugin: string): Promise<Claim> => {
    const [held] = await claim(owner, { [plugin]: 1 });
    if (held === undefined) throw new Error(`nothing to claim for ${plugin}`);
    return held;
  };
  const publishAll = async (...data: unknown[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const each of data) ids.push(await rig.publish(each));
    return ids;
  };

  describe(`${name}: a claim`, () => {
    test('brings the oldest first, up to the slots of each plugin, and counts the attempt', async () => {
      await rig.install('one');
      await rig.install('two');
      const ids = await publishAll(1, 2, 3);
      const claims = await claim(A, { one: 2, two: 1 });
      const of = (plugin: string) => claims.filter((held) => held.plugin === plugin);
      expect(events(of('one'))).toEqual(ids.slice(0, 2));
      expect(events(of('two'))).toEqual(ids.slice(0, 1));
      expect(claims[0]).toMatchObject({ attempt: 1, key: null, event: { data: 1 } });
      expect(await rig.outcomes('one')).toMatchObject([{ attempts: 1 }, { attempts: 1 }, { attempts: 0 }]);
    });

    test('is held by one owner: another gets what is left, and no one gets it twice', async () => {
      await rig.install('one');
      await publishAll(1, 2, 3, 4);
      const [a, b] = await Promise.all([claim(A, { one: 3 }), claim(B, { one: 3 })]);
      const all = [...events(a), ...events(b), ...events(await claim(A, { one: 3 }))];
      expect(new Set(all).size).toBe(all.length);
      expect(all).toHaveLength(4);
    });

    test('of unknown plugins, or with nothing due, brings nothing', async () => {
      await rig.install('one');
      expect(await claim(A, { one: 3, ghost: 3 })).toEqual([]);
    });

    test('whose lease has ended is anyone’s, the attempt counted; before that it is not', async () => {
      await rig.install('one');
      await rig.publish();
      await claim(A, { one: 1 });
      await rig.pass(LEASE_MS - 1_000);
      expect(await claim(B, { one: 1 })).toEqual([]);
      await rig.pass(1_000);
      expect(await claim(B, { one: 1 })).toMatchObject([{ attempt: 2 }]);
    });

    test('of an uninstalled plugin brings nothing, and what was held leaves no trace', async () => {
      await rig.install('one');
      await rig.publish();
      const held = await one(A, 'one');
      await rig.uninstall('one');
      await rig.store.settle([held]);
      await rig.store.retry(A, held, 'late', 0);
      expect(await claim(A, { one: 1 })).toEqual([]);
      expect(await rig.outcomes('one')).toEqual([]);
    });
  });

  describe(`${name}: an outcome`, () => {
    test('settles many at once, and they never come again', async () => {
      await rig.install('one');
      await publishAll(1, 2, 3);
      await rig.store.settle(await claim(A, { one: 3 }));
      await rig.pass(10 * LEASE_MS);
      expect(await claim(A, { one: 3 })).toEqual([]);
      expect((await rig.outcomes('one')).map(({ state }) => state)).toEqual(['done', 'done', 'done']);
    });

    test('retry comes after its time, release uncounted likewise', async () => {
      await rig.install('one');
      await rig.publish();
      await rig.store.retry(A, await one(A, 'one'), 'no', 5_000);
      expect(await claim(A, { one: 1 })).toEqual([]);
      await rig.pass(5_000);
      const again = await one(B, 'one');
      expect(again.attempt).toBe(2);
      await rig.store.release(B, again, false, 5_000);
      expect(await claim(A, { one: 1 })).toEqual([]);
      await rig.pass(5_000);
      const third = await one(A, 'one');
      expect(third.attempt).toBe(2);
      await rig.store.release(A, third, true, 0);
      expect((await one(B, 'one')).attempt).toBe(3);
    });

    test('bury makes a dead letter, which an admin may redeliver with all attempts', async () => {
      await rig.install('one');
      const event = await rig.publish();
      await rig.store.bury(A, await one(A, 'one'), 'no');
      await rig.pass(10 * LEASE_MS);
      expect(await claim(A, { one: 1 })).toEqual([]);
      expect(await rig.outcomes('one')).toMatchObject([{ event, state: 'dead' }]);
      await rig.redeliver('one', event);
      expect((await one(A, 'one')).attempt).toBe(1);
    });

    test('of a failure counts only while the claim is held', async () => {
      await rig.install('one');
      await rig.publish();
      const lost = await one(A, 'one');
      await rig.pass(LEASE_MS);
      const held = await one(B, 'one');
      await rig.store.retry(A, lost, 'late', 0);
      await rig.store.release(A, lost, false, 0);
      await rig.store.bury(A, lost, 'late');
      expect(await claim(A, { one: 1 })).toEqual([]);
      await rig.store.settle([held]);
      expect(await rig.outcomes('one')).toMatchObject([{ state: 'done', attempts: 2 }]);
    });

    test('of a success counts though the lease was lost: it need not run again', async () => {
      await rig.install('one');
      await rig.publish();
      const lost = await one(A, 'one');
      await rig.pass(LEASE_MS);
      await rig.store.settle([lost]);
      expect(await claim(B, { one: 1 })).toEqual([]);
      expect(await rig.outcomes('one')).toMatchObject([{ state: 'done' }]);
    });

    test('of a success does not change a dead letter', async () => {
      await rig.install('one');
      await rig.publish();
      const lost = await one(A, 'one');
      await rig.pass(LEASE_MS);
      await rig.store.bury(B, await one(B, 'one'), 'no');
      await rig.store.settle([lost]);
      expect(await rig.outcomes('one')).toMatchObject([{ state: 'dead' }]);
    });
  });

  describe(`${name}: nextDue`, () => {
    test('tells of each plugin with something pending when the first is due', async () => {
      await rig.install('one');
      await rig.install('two');
      await rig.install('six');
      await rig.publish();
      await rig.store.retry(A, await one(A, 'one'), 'no', 5_000);
      await rig.store.settle([await one(A, 'two')]);
      const due = new Map((await rig.store.nextDue()).map(({ plugin, inMs }) => [plugin, inMs]));
      expect([...due.keys()].sort()).toEqual(['one', 'six']);
      expect(due.get('one')).toBeGreaterThan(0);
      expect(due.get('one')).toBeLessThanOrEqual(5_000);
      expect(due.get('six')).toBeLessThanOrEqual(0);
    });
  });

  describe(`${name}: order`, () => {
    const key = (k: string, n: number) => ({ k, n });

    test('brings one of a key at a time, the next when it is done; other keys do not wait', async () => {
      await rig.install('one', { orderBy: 'k' });
      const [a1, a2, b1, a3] = await publishAll(key('a', 1), key('a', 2), key('b', 1), key('a', 3));
      const first = await claim(A, { one: 8 });
      expect(events(first)).toEqual([a1, b1] as string[]);
      expect(first[0]?.key).toBe('a');
      expect(await claim(B, { one: 8 })).toEqual([]);
      await rig.store.settle(first);
      const second = await claim(B, { one: 8 });
      expect(events(second)).toEqual([a2] as string[]);
      await rig.store.settle(second);
      expect(events(await claim(A, { one: 8 }))).toEqual([a3] as string[]);
    });

    test('a retry holds up its key, and only it', async () => {
      await rig.install('one', { orderBy: 'k' });
      const [a1, , b1] = await publishAll(key('a', 1), key('a', 2), key('b', 1));
      const [held] = await claim(A, { one: 1 });
      if (held === undefined) throw new Error('nothing was claimed');
      await rig.store.retry(A, held, 'no', 5_000);
      expect(events(await claim(A, { one: 8 }))).toEqual([b1] as string[]);
      await rig.pass(5_000);
      expect(events(await claim(B, { one: 8 }))).toEqual([a1] as string[]);
      expect(await claim(A, { one: 8 })).toEqual([]);
    });

    test('goes on behind a dead letter', async () => {
      await rig.install('one', { orderBy: 'k' });
      const [, a2] = await publishAll(key('a', 1), key('a', 2));
      const held = await one(A, 'one');
      expect(await claim(B, { one: 8 })).toEqual([]);
      await rig.store.bury(A, held, 'no');
      expect(events(await claim(A, { one: 8 }))).toEqual([a2] as string[]);
    });

    test('what is redelivered waits for the one that runs, and comes before those that wait', async () => {
      await rig.install('one', { orderBy: 'k' });
      const [a1, a2, a3] = await publishAll(key('a', 1), key('a', 2), key('a', 3));
      await rig.store.bury(A, await one(A, 'one'), 'no');
      const second = await one(A, 'one');
      await rig.redeliver('one', a1 ?? '');
      expect(await claim(B, { one: 8 })).toEqual([]);
      await rig.store.settle([second]);
      const again = await claim(B, { one: 8 });
      expect(events(again)).toEqual([a1] as string[]);
      await rig.store.settle(again);
      expect(events(await claim(B, { one: 8 }))).toEqual([a3] as string[]);
      expect(second.event.id).toBe(a2 ?? '');
    });

    test('holds when the core that held the first is lost', async () => {
      await rig.install('one', { orderBy: 'k' });
      const [a1, a2] = await publishAll(key('a', 1), key('a', 2));
      await one(A, 'one');
      expect(await claim(B, { one: 8 })).toEqual([]);
      await rig.pass(LEASE_MS);
      const again = await claim(B, { one: 8 });
      expect(events(again)).toEqual([a1] as string[]);
      await rig.store.settle(again);
      expect(events(await claim(B, { one: 8 }))).toEqual([a2] as string[]);
    });

    test('holds of two claims at once', async () => {
      await rig.install('one', { orderBy: 'k' });
      await publishAll(...Array.from({ length: 12 }, (_, n) => key(`k${n % 3}`, n)));
      for (let left = 12; left > 0; ) {
        const both = (await Promise.all([claim(A, { one: 8 }), claim(B, { one: 8 })])).flat();
        const keys = both.map((held) => held.key);
        expect(new Set(keys).size).toBe(keys.length);
        expect(both.length).toBeGreaterThan(0);
        await rig.store.settle(both);
        left -= both.length;
      }
    });

    test('has nothing to say of events without the key', async () => {
      await rig.install('one', { orderBy: 'k' });
      const ids = await publishAll({}, 1, null, { k: null });
      expect(events(await claim(A, { one: 8 }))).toEqual(ids);
    });

    test('looks past a long row of one key', async () => {
      await rig.install('one', { orderBy: 'k' });
      const row = await publishAll(...Array.from({ length: 150 }, (_, n) => key('a', n)));
      const other = await rig.publish(key('b', 1));
      expect(events(await claim(A, { one: 8 }))).toEqual([row[0] ?? '', other]);
    });
  });

  describe(`${name}: concurrency`, () => {
    test('bounds what all owners hold of a plugin', async () => {
      await rig.install('one', { concurrency: 2 });
      await publishAll(1, 2, 3, 4);
      const first = await claim(A, { one: 8 });
      expect(first).toHaveLength(2);
      expect(await claim(B, { one: 8 })).toEqual([]);
      await rig.store.settle(first.slice(0, 1));
      expect(await claim(B, { one: 8 })).toHaveLength(1);
      await rig.pass(LEASE_MS);
      expect(await claim(B, { one: 8 })).toHaveLength(2);
    });

    test('holds of two claims at once', async () => {
      await rig.install('one', { concurrency: 3 });
      await publishAll(...Array.from({ length: 9 }, (_, n) => n));
      const both = (await Promise.all([claim(A, { one: 3 }), claim(B, { one: 3 })])).flat();
      expect(both).toHaveLength(3);
    });
  });

  test(`${name}: tidy leaves what is young alone`, async () => {
    await rig.install('one', { orderBy: 'k' });
    await publishAll({ k: 'a' }, { k: 'a' });
    const held = await one(A, 'one');
    await rig.store.tidy();
    expect(await claim(B, { one: 8 })).toEqual([]);
    await rig.store.settle([held]);
    await rig.store.tidy();
    expect(await claim(B, { one: 8 })).toHaveLength(1);
  });
}
