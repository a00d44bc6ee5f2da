import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setSystemTime, test } from 'bun:test';
import { registerJobs } from '../../../plugins/streamspace-slack/jobs.ts';
import { createLedger, type Ledger } from '../../../plugins/streamspace-slack/ledger.ts';
import type { Slack } from '../../../plugins/streamspace-slack/settings.ts';
import type { GuestHost } from '../../../sandbox-apis/_kit/guest.ts';
import { createStorageBroker } from '../../../sandbox-apis/storage/broker.ts';
import { createStorage, type StorageApi } from '../../../sandbox-apis/storage/guest.ts';
import * as many from '../../../sandbox-apis/storage/guest-many.ts';
import { createStore } from '../../../src/storage/store.ts';
import { testCaller } from '../../kit/caller.ts';
import { type TestDatabase, testDatabase } from '../../kit/postgres.ts';
import { type SlackServer, startSlackServer } from '../../kit/slack-server.ts';
import { settings } from './settings.ts';

// What hangs on the hour, which a test through the product cannot wait for: real storage, and a clock of the test's.

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 21, 12, 30);

let database: TestDatabase;
let storage: StorageApi;
let ledger: Ledger;
let slack: SlackServer;
let plugins = 0;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  plugins += 1;
  storage = storageOf(`slack-${plugins}`);
  ledger = createLedger(storage);
  slack = startSlackServer();
  setSystemTime(NOON);
});
afterEach(async () => {
  setSystemTime();
  await slack.stop();
});

/** The storage of a plugin: its guest half right on the broker's, over Postgres. */
function storageOf(plugin: string): StorageApi {
  const handlers = createStorageBroker({ store: createStore(database.db) });
  const { caller } = testCaller({ plugin });
  const call = (name: string, input: unknown) =>
    (handlers as unknown as Record<string, (who: typeof caller, input: unknown) => unknown>)[
      name.split('.')[1] ?? ''
    ]?.(caller, input);
  return createStorage({ call } as unknown as GuestHost, { many: () => many, bind: (callback) => callback });
}

describe('the budget of an hour', () => {
  test('is taken exactly, also at once', async () => {
    const taken = await Promise.all(Array.from({ length: 12 }, () => ledger.take(5, NOON)));
    expect(taken.filter(({ granted }) => granted)).toHaveLength(5);
    expect(taken.filter((one) => !one.granted && one.first)).toHaveLength(1);
    expect((await ledger.status(NOON)).window).toEqual({ start: '2026-11-21T12:00:00.000Z', sent: 5, suppressed: 7 });
  });

  test('begins anew with the hour', async () => {
    expect((await ledger.take(1, NOON)).granted).toBe(true);
    expect((await ledger.take(1, NOON + HOUR / 2 - 1)).granted).toBe(false);
    expect((await ledger.take(1, NOON + HOUR / 2)).granted).toBe(true);
  });

  test('has room again for what was given back, and for a higher limit', async () => {
    await ledger.take(1, NOON);
    await ledger.giveBack(NOON);
    expect((await ledger.take(1, NOON)).granted).toBe(true);
    expect((await ledger.take(1, NOON)).granted).toBe(false);
    expect((await ledger.take(2, NOON)).granted).toBe(true);
  });
});

describe('the job at the turn of the hour', () => {
  /** Runs what the plugin registers, with the server of this test for a webhook. */
  async function runJob(): Promise<void> {
    let job: (() => unknown) | undefined;
    const ctx = {
      config: settings({ rateLimitPerHour: 1, retryAttempts: 0 }),
      storage,
      fetch,
      secrets: { get: async () => slack.webhookUrl },
      log: { error: () => {} },
      scheduler: { schedule: (_cron: string, handler: () => unknown) => (job = handler) },
    };
    registerJobs(ctx as unknown as Slack);
    await job?.();
  }

  const keys = async () => (await storage.list({ prefix: 'hour/' })).entries.map(({ key }) => key);

  test('says once what was left out, and clears up', async () => {
    for (let i = 0; i < 4; i += 1) await ledger.take(1, NOON);
    setSystemTime(NOON + HOUR);
    await runJob();
    await runJob();
    expect(slack.messages.map(({ text }) => text)).toEqual(['3 notifications were left out in the last hour.']);
    expect(await keys()).toEqual([]);
    expect((await ledger.status(NOON + HOUR)).total).toMatchObject({ suppressed: 3, sent: 1 });
  });

  test('leaves the hour that is under way alone', async () => {
    for (let i = 0; i < 2; i += 1) await ledger.take(1, NOON);
    await runJob();
    expect(slack.messages).toEqual([]);
    expect(await keys()).toHaveLength(2);
  });

  test('says nothing of an hour in which nothing was left out, and clears it', async () => {
    await ledger.take(1, NOON);
    setSystemTime(NOON + HOUR);
    await runJob();
    expect(slack.messages).toEqual([]);
    expect(await keys()).toEqual([]);
  });

  test('what Slack does not take now is said at the next turn', async () => {
    for (let i = 0; i < 2; i += 1) await ledger.take(1, NOON);
    setSystemTime(NOON + HOUR);
    slack.answerNext({ status: 503, body: '' });
    await runJob();
    setSystemTime(NOON + 2 * HOUR);
    await runJob();
    expect(slack.attempts).toEqual(['503 ', '200 ok']);
    expect(await keys()).toEqual([]);
  });
});

test('quiet ends by itself', async () => {
  await ledger.keepQuiet(90_000, NOON);
  expect(await ledger.quietLeft(NOON + 30_000)).toBe(60_000);
  expect(await ledger.quietLeft(NOON + 90_001)).toBe(0);
});

test('an event is told once', async () => {
  expect(await ledger.wasTold('e-1')).toBe(false);
  await ledger.markTold('e-1');
  expect([await ledger.wasTold('e-1'), await ledger.wasTold('e-2')]).toEqual([true, false]);
});
