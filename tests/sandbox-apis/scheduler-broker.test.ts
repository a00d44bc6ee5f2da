import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import type { NewRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { createSchedulerBroker, type SchedulerDeps } from '../../sandbox-apis/scheduler/broker.ts';
import { schedulerContract } from '../../sandbox-apis/scheduler/contract.ts';
import { testCaller } from '../kit/caller.ts';

const { caller } = testCaller({ plugin: 'billing' });
const options = { name: 'poll', overlap: 'skip', catchUp: false, handler: 3 } as const;
const REGISTERED = {
  kind: 'job',
  name: 'poll',
  overlap: 'skip',
  catchUp: 'none',
  jitterMs: 0,
  retries: 0,
  handler: 3,
} as const;

function setUp(deps: Partial<SchedulerDeps> = {}) {
  const added: [plugin: string, NewRegistration][] = [];
  const removed: [plugin: string, id: number][] = [];
  const broker = createSchedulerBroker({
    registrations: {
      add: ({ plugin }, registration) => added.push([plugin, registration]),
      remove: ({ plugin }, id) => removed.push([plugin, id]),
    },
    ...deps,
  });
  return { broker, added, removed };
}

describe('scheduler broker', () => {
  test('schedule adds a job of the caller', async () => {
    const { broker, added } = setUp();
    expect(await broker.schedule(caller, { ...options, cron: '@daily', timezone: 'Europe/Berlin' })).toEqual({ id: 1 });
    const when = { cron: '@daily', timezone: 'Europe/Berlin' };
    expect(added).toEqual([['billing', { ...REGISTERED, when }]]);
  });

  test('every adds a job of the caller', async () => {
    const { broker, added } = setUp();
    expect(await broker.every(caller, { ...options, interval: '5m', catchUp: true })).toEqual({ id: 1 });
    expect(added).toEqual([['billing', { ...REGISTERED, catchUp: 'last', when: { everyMs: 300_000 } }]]);
  });

  test('jitter and retries are read', async () => {
    const { broker, added } = setUp();
    const input = { ...options, overlap: 'queue', catchUp: 'all', jitter: '1m', retries: 2, interval: '5m' } as const;
    await broker.every(caller, input);
    const read = { overlap: 'queue', catchUp: 'all', jitterMs: 60_000, retries: 2 } as const;
    expect(added).toEqual([['billing', { ...REGISTERED, ...read, when: { everyMs: 300_000 } }]]);
    expect(() => broker.every(caller, { ...input, jitter: '2h' })).toThrow(
      expect.objectContaining({ code: 'invalid_input' }),
    );
  });

  test('cancel removes it', async () => {
    const { broker, removed } = setUp();
    expect(await broker.cancel(caller, { id: 4 })).toEqual({});
    expect(removed).toEqual([['billing', 4]]);
  });

  test('what is not valid is refused before anything is added', () => {
    const { broker, added } = setUp({ minIntervalMs: 60_000 });
    const refused = expect.objectContaining({ code: 'invalid_input' });
    expect(() => broker.schedule(caller, { ...options, cron: '61 * * * *', timezone: 'UTC' })).toThrow(refused);
    expect(() => broker.schedule(caller, { ...options, cron: '*/10 * * * * *', timezone: 'UTC' })).toThrow(refused);
    expect(() => broker.schedule(caller, { ...options, cron: '@daily', timezone: 'Nowhere' })).toThrow(refused);
    expect(() => broker.every(caller, { ...options, interval: '59s' })).toThrow(refused);
    expect(added).toEqual([]);
  });
});

describe('inputs', () => {
  const { schedule, every } = schedulerContract.calls;
  const cron = { ...options, cron: '@daily', timezone: 'UTC' };

  test.each([
    [cron, true],
    [{ ...cron, name: 'Nightly.report_1:a-b' }, true],
    [{ ...cron, name: '' }, false],
    [{ ...cron, name: '-x' }, false],
    [{ ...cron, name: '../x' }, false],
    [{ ...cron, name: 'x\n' }, false],
    [{ ...cron, name: 'x'.repeat(65) }, false],
    [{ ...cron, cron: '' }, false],
    [{ ...cron, cron: '*'.repeat(121) }, false],
    [{ ...cron, timezone: '' }, false],
    [{ ...cron, overlap: 'queue', catchUp: 'all', jitter: '30s', retries: 5 }, true],
    [{ ...cron, overlap: 'wait' }, false],
    [{ ...cron, catchUp: 'some' }, false],
    [{ ...cron, jitter: 'x'.repeat(17) }, false],
    [{ ...cron, retries: 6 }, false],
    [{ ...cron, retries: 0.5 }, false],
    [{ ...cron, handler: 0 }, false],
    [{ ...cron, plugin: 'other' }, false],
  ])('schedule %j: %p', (input, valid) => {
    expect(Value.Check(schedule.input, input)).toBe(valid);
  });

  test.each([
    [{ ...options, interval: 1_000 }, true],
    [{ ...options, interval: '5m' }, true],
    [{ ...options, interval: null }, false],
    [{ ...options, interval: 'x'.repeat(17) }, false],
    [options, false],
  ])('every %j: %p', (input, valid) => {
    expect(Value.Check(every.input, input)).toBe(valid);
  });

  test('no call needs a permission', () => {
    expect(Object.values(schedulerContract.calls).map(({ needs }) => needs)).toEqual([undefined, undefined, undefined]);
  });
});
