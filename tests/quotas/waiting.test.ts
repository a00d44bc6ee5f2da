import { describe, expect, test } from 'bun:test';
import type { EventSink } from '../../src/events/deliver.ts';
import { waitingEvents, waitingJobs } from '../../src/quotas/waiting.ts';
import { testQuotas } from '../kit/quotas.ts';

const EVENT = { id: 'e', name: 'custom.x', data: null, time: '', attempt: 1 };
const JOB = { name: 'job', scheduledAt: '', catchUp: false, id: 1, attempt: 1 };
const going = new AbortController().signal;

/** Quotas of which the plugin `busy` has used up its CPU, `leftMs` before the minute ends. */
function spent(leftMs: number) {
  const tested = testQuotas({ cpuMsPerMinute: 10 });
  tested.quotas.heard('busy', { cpuMs: 10, heapBytes: 0 });
  tested.now = 60_000 - leftMs;
  return tested;
}

describe('events', () => {
  const delivered: string[] = [];
  const sink: EventSink = {
    ready: (plugin) => plugin !== 'off',
    deliver: async (plugin) => void delivered.push(plugin),
  };

  test('wait while the CPU is used up, and are not counted as tried', async () => {
    const tested = spent(1);
    const waiting = waitingEvents(sink, tested.quotas);
    expect(['busy', 'calm', 'off'].map(waiting.ready)).toEqual([false, true, false]);
    expect(waiting.deliver('busy', EVENT, going)).rejects.toMatchObject({ code: 'plugin_unavailable' });
    await waiting.deliver('calm', EVENT, going);
    tested.now = 60_000;
    expect(waiting.ready('busy')).toBe(true);
    await waiting.deliver('busy', EVENT, going);
    expect(delivered).toEqual(['calm', 'busy']);
  });
});

describe('jobs', () => {
  const rig = (leftMs: number) => {
    const ran: string[] = [];
    const runner = waitingJobs({ run: async (plugin) => void ran.push(plugin) }, spent(leftMs).quotas);
    return { ran, runner };
  };

  test('run when the minute has ended, and at once for others', async () => {
    const { ran, runner } = rig(5);
    const late = runner.run('busy', JOB, going);
    await runner.run('calm', JOB, going);
    expect(ran).toEqual(['calm']);
    await late;
    expect(ran).toEqual(['calm', 'busy']);
  });

  test('do not run any more when they are given up meanwhile', async () => {
    const { ran, runner } = rig(60_000);
    const abort = new AbortController();
    const late = runner.run('busy', JOB, abort.signal);
    abort.abort(new Error('the job is gone'));
    await expect(late).rejects.toThrow();
    expect(ran).toEqual([]);
  });
});
