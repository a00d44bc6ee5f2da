import { describe, expect, test } from 'bun:test';
import type { ScheduleLimits } from '../../src/schedules/limits.ts';
import type { JobDefinition, TickStore } from '../../src/schedules/tick-store.ts';
import { claimed, definition, keyOf, OK, PLUGIN, type SetUp, states } from './store-setup.ts';

/** The part of `testTickStore` on jobs: paused, behind, changed, gone. */
export function testJobsOfStore(setUp: SetUp, limits: ScheduleLimits): void {
  describe('a pause', () => {
    test('holds back ticks, not runs by hand, and nothing is made up for', async () => {
      const { under, a, b, key, tick } = await setUp();
      expect(await a.setPaused(PLUGIN, 'poll', 'ada')).toBe(true);
      expect(await a.setPaused(PLUGIN, 'other', 'ada')).toBe(false);
      under.advance(60_000);
      const missed = under.now();
      expect((await tick(b)).kind).toBe('paused');
      await b.finish(await claimed(b.claimManual(key)), OK);
      under.advance(1_000);
      expect(await b.setPaused(PLUGIN, 'poll', null)).toBe(true);
      expect((await a.claimTick(key, { tick: missed, dueAt: missed, skip: null })).kind).toBe('taken');
      under.advance(59_000);
      await claimed(tick(a));
      await under.close();
    });

    test('stays over reloads, upgrades, and while the plugin is off', async () => {
      const { under, a, b, job } = await setUp();
      await a.setPaused(PLUGIN, 'poll', 'ada');
      const pausedAt = under.now();
      const paused = async (core: TickStore) => (await core.look([PLUGIN])).jobs.map((one) => one.pausedAt);
      await b.sync(PLUGIN, 'one', { jobs: [definition({ overlap: 'allow' })], removed: [] });
      expect(await paused(a)).toEqual([pausedAt]);
      await under.change(PLUGIN, { digest: 'two' });
      await b.sync(PLUGIN, 'two', { jobs: [job], removed: [] });
      expect(await paused(a)).toEqual([pausedAt]);
      await under.change(PLUGIN, { enabled: false });
      await a.forget(PLUGIN);
      expect(await paused(a)).toEqual([]);
      expect(await a.setPaused(PLUGIN, 'poll', null)).toBe(false);
      await under.change(PLUGIN, { enabled: true });
      await b.sync(PLUGIN, 'two', { jobs: [job], removed: [] });
      expect(await paused(a)).toEqual([pausedAt]);
      await under.close();
    });
  });

  describe('ticks that were missed', () => {
    test('are made up for one after the other, once, whoever notes them', async () => {
      const { under, a, b, key, tick } = await setUp(definition({ catchUp: 'all' }));
      const from = under.now();
      under.advance(4 * 60_000 + limits.lateMs);
      const ticks = [1, 2, 3].map((n) => from + n * 60_000);
      const missed = { ticks, upTo: ticks[2] as number, dueAt: ticks[2] as number };
      const answers = await Promise.all([a.noteMissed(key, missed), b.noteMissed(key, missed)]);
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['noted', 'taken']);
      for (const expected of ticks) {
        const run = await claimed(b.claimQueued(key));
        expect(run).toMatchObject({ tick: expected, trigger: 'catch-up' });
        expect((await a.claimQueued(key)).kind).toBe('busy');
        await b.finish(run, OK);
      }
      expect((await a.claimQueued(key)).kind).toBe('none');
      await claimed(tick(a));
      await under.close();
    });

    test('are none as long as they are not late by the clock of the store', async () => {
      const { under, a, b, key } = await setUp();
      under.advance(60_000);
      const due = under.now();
      under.advance(limits.lateMs - 1);
      expect((await a.noteMissed(key, { ticks: [due], upTo: due, dueAt: due })).kind).toBe('early');
      await claimed(b.claimTick(key, { tick: due, dueAt: due, skip: null }));
      await under.close();
    });
  });

  describe('a job that is not the same any more', () => {
    test('is gone on every core with the upgrade, before its new jobs are stored', async () => {
      const { under, a, b, key, tick } = await setUp(definition({ overlap: 'queue' }));
      under.advance(1_000);
      const run = await claimed(tick(a));
      under.advance(1_000);
      expect((await tick(b)).kind).toBe('queued');
      await under.change(PLUGIN, { digest: 'two' });
      under.advance(1_000);
      expect((await tick(b)).kind).toBe('stale');
      expect((await b.claimManual(key)).kind).toBe('stale');
      expect((await b.claimQueued(key)).kind).toBe('stale');
      await a.sync(PLUGIN, 'two', { jobs: [definition({ name: 'other' })], removed: [] });
      expect((await a.look([PLUGIN])).jobs.map(({ name }) => name)).toEqual(['other']);
      // What had begun may end; what waited does not begin.
      expect(await a.finish(run, OK)).toBe(true);
      expect(await states(under)).toEqual(['ok', 'aborted']);
      await under.close();
    });

    test('cannot be brought back by a core that still has the old version', async () => {
      const { under, a, b, job } = await setUp();
      await under.change(PLUGIN, { digest: 'two' });
      await a.sync(PLUGIN, 'two', { jobs: [definition({ name: 'other' })], removed: [] });
      expect((await b.sync(PLUGIN, 'one', { jobs: [job], removed: ['other'] })).kind).toBe('superseded');
      expect((await a.look([PLUGIN])).jobs.map(({ name }) => name)).toEqual(['other']);
      await under.close();
    });

    test('is not run by a core that knows another definition of it', async () => {
      const { under, a, b, tick } = await setUp();
      const other = definition({ overlap: 'allow' });
      await a.sync(PLUGIN, 'one', { jobs: [other], removed: [] });
      under.advance(60_000);
      expect((await tick(b)).kind).toBe('stale');
      await claimed(tick(b, keyOf(other)));
      await under.close();
    });

    test('is gone when the plugin is off, and is forgotten only then', async () => {
      const { under, a, b, tick } = await setUp();
      // A core that is behind: the plugin was off and is on again.
      await b.forget(PLUGIN);
      under.advance(60_000);
      await claimed(tick(a));
      await under.change(PLUGIN, { enabled: false });
      under.advance(60_000);
      expect((await tick(a)).kind).toBe('stale');
      await b.forget(PLUGIN);
      expect((await a.look([PLUGIN])).jobs).toEqual([]);
      await under.close();
    });

    test('keeps its beat as long as its time is the same', async () => {
      const { under, a, job } = await setUp();
      const stored = async (change: Partial<JobDefinition>) => {
        const answer = await a.sync(PLUGIN, 'one', { jobs: [{ ...job, ...change }], removed: [] });
        return answer.kind === 'stored' ? answer.jobs[0] : undefined;
      };
      const began = under.now();
      under.advance(90_000);
      expect(await stored({ overlap: 'allow' })).toMatchObject({ tickedAt: began, anchorAt: began });
      expect(await stored({ when: { everyMs: 30_000 } })).toMatchObject({
        tickedAt: under.now(),
        anchorAt: under.now(),
      });
      await under.close();
    });

    test('is gone by name when its plugin takes it back', async () => {
      const { under, a, b, tick } = await setUp();
      await a.sync(PLUGIN, 'one', { jobs: [], removed: ['poll'] });
      under.advance(60_000);
      expect((await tick(b)).kind).toBe('stale');
      await under.close();
    });
  });
}
