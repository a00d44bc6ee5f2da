import { describe, expect, test } from 'bun:test';
import type { ScheduleLimits } from '../../src/schedules/limits.ts';
import type { TickStore } from '../../src/schedules/tick-store.ts';
import { claimed, definition, FAILED, OK, PLUGIN, setUpStore, states } from './store-setup.ts';
import { testJobsOfStore } from './tick-store-jobs.ts';

/** What the tests need of an implementation, beside the store itself. Times are milliseconds since the epoch. */
export interface StoreUnderTest {
  /** The view of one more core; all share the plugins, the jobs and the runs. */
  core(): TickStore;
  /** The store's clock, which the tests move. */
  advance(ms: number): void;
  now(): number;
  install(plugin: string, digest: string): Promise<void>;
  /** Another package in its place, or switched off, as the tables say it. */
  change(plugin: string, to: { readonly digest?: string; readonly enabled?: boolean }): Promise<void>;
  /** In the order in which they were made. */
  runs(plugin: string): Promise<
    readonly {
      readonly job: string;
      readonly tick: number | null;
      readonly attempt: number;
      readonly trigger: string;
      readonly state: string;
      readonly error: string | null;
    }[]
  >;
  close(): Promise<void>;
}

/** The tests that each `TickStore` passes: the one in Postgres, and the simulation's. */
export function testTickStore(open: () => Promise<StoreUnderTest>, limits: ScheduleLimits): void {
  const setUp = setUpStore(open);

  describe('a tick', () => {
    test('is run by the one core that asks first', async () => {
      const { under, cores, tick } = await setUp();
      under.advance(60_000);
      const answers = await Promise.all(cores.map((core) => tick(core)));
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['run', 'taken', 'taken']);
      expect(answers.every(({ now }) => now === under.now())).toBe(true);
      expect(await under.runs(PLUGIN)).toMatchObject([
        { job: 'poll', tick: under.now(), attempt: 1, trigger: 'tick', state: 'running' },
      ]);
      await under.close();
    });

    test('is not run before it is due by the clock of the store', async () => {
      const { under, a, key } = await setUp();
      const due = under.now() + 60_000;
      const claim = { tick: due - 5_000, dueAt: due, skip: null };
      under.advance(59_999);
      expect(await a.claimTick(key, claim)).toEqual({ kind: 'early', now: due - 1 });
      expect(await under.runs(PLUGIN)).toEqual([]);
      under.advance(1);
      expect(await claimed(a.claimTick(key, claim))).toMatchObject({ tick: due - 5_000, dueAt: due, startedAt: due });
      await under.close();
    });

    test('that is older than one that was run is accounted for', async () => {
      const { under, a, b, key, tick } = await setUp();
      under.advance(120_000);
      await claimed(tick(a));
      const older = under.now() - 60_000;
      expect((await b.claimTick(key, { tick: older, dueAt: older, skip: null })).kind).toBe('taken');
      await under.close();
    });

    test('may be accounted for without a run', async () => {
      const { under, a, b, key, tick } = await setUp();
      under.advance(60_000);
      const claim = { tick: under.now(), dueAt: under.now(), skip: 'switched off' };
      expect((await a.claimTick(key, claim)).kind).toBe('skipped');
      expect((await tick(b)).kind).toBe('taken');
      expect(await under.runs(PLUGIN)).toMatchObject([{ state: 'skipped', error: 'switched off' }]);
      await under.close();
    });
  });

  describe('overlap, over all cores', () => {
    test('skip leaves out a tick while another core runs the last one', async () => {
      const { under, a, b, tick } = await setUp();
      under.advance(1_000);
      const run = await claimed(tick(a));
      under.advance(1_000);
      expect((await tick(b)).kind).toBe('skipped');
      expect(await a.finish(run, OK)).toBe(true);
      under.advance(1_000);
      await claimed(tick(b));
      expect(await states(under)).toEqual(['ok', 'skipped', 'running']);
      await under.close();
    });

    test('queue lets it wait, in order, up to a bound', async () => {
      const { under, a, b, key, tick } = await setUp(definition({ overlap: 'queue' }));
      under.advance(1_000);
      const first = await claimed(tick(a));
      const ticks: number[] = [];
      for (let i = 0; i < limits.waiting; i += 1) {
        under.advance(1_000);
        ticks.push(under.now());
        expect((await tick(b)).kind).toBe('queued');
      }
      under.advance(1_000);
      expect((await tick(b)).kind).toBe('skipped');
      expect((await b.claimQueued(key)).kind).toBe('busy');
      await a.finish(first, OK);
      // One that comes now would wait behind the others.
      under.advance(1_000);
      expect((await tick(a)).kind).toBe('skipped');
      const second = await claimed(b.claimQueued(key));
      expect(second.tick).toBe(ticks[0] as number);
      expect((await a.claimQueued(key)).kind).toBe('busy');
      await b.finish(second, OK);
      expect((await claimed(a.claimQueued(key))).tick).toBe(ticks[1] as number);
      await under.close();
    });

    test('allow runs them side by side, up to a bound', async () => {
      const { under, a, b, tick } = await setUp(definition({ overlap: 'allow' }));
      for (let i = 0; i < limits.overlapping; i += 1) {
        under.advance(1_000);
        await claimed(tick(i % 2 === 0 ? a : b));
      }
      under.advance(1_000);
      expect((await tick(a)).kind).toBe('skipped');
      await under.close();
    });
  });

  describe('a lease', () => {
    test('that its core keeps goes on; one that is over makes the run a lost one', async () => {
      const { under, a, b, tick } = await setUp();
      under.advance(1_000);
      const run = await claimed(tick(a));
      under.advance(limits.leaseMs - 1);
      expect([...(await a.keep([run.id]))]).toEqual([run.id]);
      under.advance(limits.leaseMs - 1);
      expect(await b.sweep()).toEqual([]);
      under.advance(1);
      expect(await b.sweep()).toEqual([{ plugin: PLUGIN, job: 'poll' }]);
      expect(await b.sweep()).toEqual([]);
      expect(await states(under)).toEqual(['lost']);
      // Whose run it was learns of it.
      expect([...(await a.keep([run.id]))]).toEqual([]);
      expect(await a.finish(run, OK)).toBe(false);
      expect(await states(under)).toEqual(['lost']);
      await under.close();
    });

    test('of another core cannot be kept, nor its run ended', async () => {
      const { under, a, b, tick } = await setUp();
      under.advance(1_000);
      const run = await claimed(tick(a));
      expect([...(await b.keep([run.id]))]).toEqual([]);
      expect(await b.finish(run, OK)).toBe(false);
      expect(await a.finish(run, OK)).toBe(true);
      expect(await a.finish(run, FAILED)).toBe(false);
      expect(await states(under)).toEqual(['ok']);
      await under.close();
    });

    test('that is over holds nobody up, even before it is noted', async () => {
      const { under, a, b, tick } = await setUp();
      under.advance(1_000);
      await claimed(tick(a));
      under.advance(limits.leaseMs);
      await claimed(tick(b));
      await under.close();
    });
  });

  describe('retries', () => {
    test('none, unless the job says so', async () => {
      const { under, a, b, key, tick } = await setUp();
      under.advance(1_000);
      await a.finish(await claimed(tick(a)), FAILED);
      under.advance(1_000);
      await claimed(tick(a));
      under.advance(limits.leaseMs);
      await b.sweep();
      under.advance(limits.retryMaxMs);
      expect((await b.claimQueued(key)).kind).toBe('none');
      expect(await states(under)).toEqual(['failed', 'lost']);
      await under.close();
    });

    test('as often as it says, each after twice the wait, whether it failed or was lost', async () => {
      const { under, a, b, key, tick } = await setUp(definition({ retries: 2 }));
      under.advance(1_000);
      const first = await claimed(tick(a));
      await a.finish(first, FAILED);
      under.advance(limits.retryBaseMs - 1);
      expect((await b.claimQueued(key)).kind).toBe('none');
      under.advance(1);
      expect(await claimed(b.claimQueued(key))).toMatchObject({ tick: first.tick, attempt: 2, trigger: 'tick' });
      under.advance(limits.leaseMs);
      await a.sweep();
      under.advance(2 * limits.retryBaseMs - 1);
      expect((await a.claimQueued(key)).kind).toBe('none');
      under.advance(1);
      const third = await claimed(a.claimQueued(key));
      expect(third.attempt).toBe(3);
      await a.finish(third, FAILED);
      under.advance(limits.retryMaxMs);
      expect((await a.claimQueued(key)).kind).toBe('none');
      expect(await states(under)).toEqual(['failed', 'lost', 'failed']);
      await under.close();
    });

    test('not of a run that must not come again', async () => {
      const { under, a, key, tick } = await setUp(definition({ retries: 2 }));
      under.advance(1_000);
      await a.finish(await claimed(tick(a)), { ...FAILED, state: 'aborted', again: false });
      under.advance(limits.retryMaxMs);
      expect((await a.claimQueued(key)).kind).toBe('none');
      await under.close();
    });
  });

  describe('a run by hand', () => {
    test('goes beside the ticks, unless one goes on', async () => {
      const { under, a, b, key, tick } = await setUp();
      under.advance(1_000);
      const run = await claimed(a.claimManual(key));
      expect(run).toMatchObject({ tick: null, trigger: 'manual', attempt: 1 });
      expect((await b.claimManual(key)).kind).toBe('busy');
      expect((await tick(b)).kind).toBe('skipped');
      await a.finish(run, OK);
      under.advance(1_000);
      await claimed(tick(b));
      expect(await states(under)).toEqual(['ok', 'skipped', 'running']);
      await under.close();
    });

    test('waits under `queue`', async () => {
      const { under, a, b, key } = await setUp(definition({ overlap: 'queue' }));
      const run = await claimed(a.claimManual(key));
      expect((await b.claimManual(key)).kind).toBe('queued');
      await a.finish(run, OK);
      expect(await claimed(b.claimQueued(key))).toMatchObject({ trigger: 'manual' });
      await under.close();
    });
  });

  testJobsOfStore(setUp, limits);

  test('a look tells the last run, and whether others wait', async () => {
    const { under, a, b, tick } = await setUp(definition({ overlap: 'queue' }));
    under.advance(60_000);
    const run = await claimed(tick(a));
    const startedAt = under.now();
    under.advance(1_000);
    await tick(b);
    under.advance(500);
    await a.finish(run, FAILED);
    const { jobs, now } = await b.look([PLUGIN, 'other']);
    expect(now).toBe(under.now());
    const last = { lastRunAt: startedAt, lastDurationMs: 1_500, lastError: FAILED.error };
    expect(jobs).toMatchObject([{ plugin: PLUGIN, name: 'poll', waiting: true, ...last }]);
    await under.close();
  });
}
