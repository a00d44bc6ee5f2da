import { expect } from 'bun:test';
import {
  type ClaimedRun,
  fingerprintOf,
  type JobDefinition,
  type JobKey,
  type RunEnd,
  type TickStore,
} from '../../src/schedules/tick-store.ts';
import type { StoreUnderTest } from './tick-store-conformance.ts';

export const PLUGIN = 'billing';
export const OK: RunEnd = { state: 'ok', error: null, place: null, log: [], again: true };
export const FAILED: RunEnd = { ...OK, state: 'failed', error: 'plugin_error: boom' };

export function definition(change: Partial<JobDefinition> = {}): JobDefinition {
  const options = { overlap: 'skip', catchUp: 'none', jitterMs: 0, retries: 0 } as const;
  return { name: 'poll', when: { everyMs: 60_000 }, ...options, ...change };
}

export const keyOf = (job: JobDefinition, digest = 'one'): JobKey => ({
  plugin: PLUGIN,
  name: job.name,
  digest,
  fingerprint: fingerprintOf(job),
});

export type SetUp = ReturnType<typeof setUpStore>;

/** @param open makes a store without plugins */
export function setUpStore(open: () => Promise<StoreUnderTest>) {
  return async (job = definition()) => {
    const under = await open();
    await under.install(PLUGIN, 'one');
    const cores = [under.core(), under.core(), under.core()] as const;
    for (const core of cores) await core.sync(PLUGIN, 'one', { jobs: [job], removed: [] });
    const [a, b] = cores;
    const key = keyOf(job);
    /** Claims the tick of this moment. */
    const tick = (core: TickStore, of = key) =>
      core.claimTick(of, { tick: under.now(), dueAt: under.now(), skip: null });
    return { under, cores, a, b, key, job, tick };
  };
}

/** The run of a claim that had to succeed. */
export async function claimed(answer: Promise<{ readonly kind: string }>): Promise<ClaimedRun> {
  const got = (await answer) as { readonly kind: string; readonly run?: ClaimedRun };
  expect(got.kind).toBe('run');
  return got.run as ClaimedRun;
}

/** Of all runs of the plugin. */
export const states = async (under: StoreUnderTest) => (await under.runs(PLUGIN)).map(({ state }) => state);
