import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { deliver, quietTime, type Wire } from '../../../plugins/streamspace-slack/deliver.ts';
import { testMessage } from '../../../plugins/streamspace-slack/logic.ts';
import { type SlackServer, startSlackServer } from '../../kit/slack-server.ts';
import { settings } from './settings.ts';

const message = testMessage(settings());
const retries = 3;

let slack: SlackServer;
let slept: number[];
let clock: number;
let wire: Wire;

beforeEach(() => {
  slack = startSlackServer();
  slept = [];
  clock = 0;
  wire = {
    fetch,
    // Time passes only by waiting, so that the delays themselves are what is tested.
    sleep: async (ms) => {
      slept.push(ms);
      clock += ms;
    },
    now: () => clock,
    random: () => 0.5,
  };
});
afterEach(() => slack.stop());

describe('deliver', () => {
  test('sends once when Slack takes it', async () => {
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toEqual({ ok: true, status: 200, attempts: 1 });
    expect(slack.messages).toHaveLength(1);
    expect(slept).toEqual([]);
  });

  test('what may pass is tried again, each time after a longer wait', async () => {
    slack.answerNext({ status: 500, body: 'rollup_error' }, { status: 503, body: '' }, { status: 408, body: '' });
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toEqual({ ok: true, status: 200, attempts: 4 });
    expect(slept).toEqual([250, 500, 1000]);
  });

  test('the jitter spreads over the whole delay', async () => {
    slack.answerNext({ status: 500, body: '' }, { status: 500, body: '' });
    wire = { ...wire, random: () => 0 };
    await deliver(slack.webhookUrl, message, retries, wire);
    expect(slept).toEqual([0, 0]);
  });

  test('gives up after the retries, and says that it may pass', async () => {
    slack.answerNext(...Array.from({ length: 4 }, () => ({ status: 500, body: 'rollup_error' })));
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toEqual({
      ok: false,
      status: 500,
      error: 'rollup_error',
      attempts: 4,
      passing: true,
      quietMs: 0,
    });
    expect(slack.messages).toHaveLength(0);
  });

  test('Retry-After is waited for exactly', async () => {
    slack.answerNext({ status: 429, body: 'rate_limited', retryAfter: 7 });
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toMatchObject({ ok: true, attempts: 2 });
    expect(slept).toEqual([7000]);
  });

  test('a Retry-After beyond the time of one event is left to the platform', async () => {
    slack.answerNext({ status: 429, body: 'rate_limited', retryAfter: 60 });
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toMatchObject({
      ok: false,
      status: 429,
      attempts: 1,
      passing: true,
      quietMs: 60_000,
    });
    expect(slept).toEqual([]);
  });

  test('all attempts end within the time of one event', async () => {
    slack.answerNext(...Array.from({ length: 6 }, () => ({ status: 500, body: '' })));
    wire = { ...wire, random: () => 1 };
    await deliver(slack.webhookUrl, message, 5, wire);
    expect(clock).toBeLessThan(30_000);
  });

  for (const [status, body] of [
    [400, 'invalid_payload'],
    [400, 'user_not_found'],
    [403, 'action_prohibited'],
    [404, 'no_service'],
    [404, 'channel_not_found'],
    [410, 'channel_is_archived'],
  ] as const) {
    test(`${status} ${body} is final`, async () => {
      slack.answerNext({ status, body });
      expect(await deliver(slack.webhookUrl, message, retries, wire)).toEqual({
        ok: false,
        status,
        error: body,
        attempts: 1,
        passing: false,
        quietMs: 0,
      });
      expect(slept).toEqual([]);
    });
  }

  test('a redirect is not followed: the address of the webhook is a secret', async () => {
    const other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => Response.redirect(slack.webhookUrl, 307) });
    try {
      const outcome = await deliver(`http://127.0.0.1:${other.port}/`, message, 0, wire);
      expect(outcome).toMatchObject({ ok: false, status: null });
      expect(slack.attempts).toEqual([]);
    } finally {
      await other.stop(true);
    }
  });

  test('nobody there is tried again', async () => {
    const url = slack.webhookUrl;
    await slack.stop();
    expect(await deliver(url, message, 1, wire)).toMatchObject({ ok: false, status: null, attempts: 2, passing: true });
  });

  test('a refusal of the platform is final', async () => {
    const refusal = Object.assign(new Error('Permission "network:127.0.0.1:80" is not granted'), {
      code: 'permission_denied',
    });
    wire = { ...wire, fetch: () => Promise.reject(refusal) };
    expect(await deliver(slack.webhookUrl, message, retries, wire)).toMatchObject({
      ok: false,
      error: refusal.message,
      attempts: 1,
      passing: false,
    });
  });
});

describe('quietTime', () => {
  const now = Date.UTC(2026, 10, 21);
  for (const [header, expected] of [
    [null, 0],
    ['', 0],
    ['soon', 0],
    ['-5', 0],
    ['30', 30_000],
    [' 2 ', 2000],
    ['999999999', 3_600_000],
    [new Date(now + 90_000).toUTCString(), 90_000],
    [new Date(now - 90_000).toUTCString(), 0],
  ] as const) {
    test(`${header} is ${expected} ms`, () => expect(quietTime(header, now)).toBe(expected));
  }
});
