import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { judgePayload } from '../../kit/slack-payload.ts';
import { type SlackServer, startSlackServer } from '../../kit/slack-server.ts';

// The counterpart itself: a test through it proves something only if it refuses what Slack refuses.

const text = (value: string) => ({ type: 'plain_text', text: value });
const section = { type: 'section', text: { type: 'mrkdwn', text: 'hello' } };

describe('judgePayload', () => {
  for (const [what, payload, error] of [
    ['text alone', { text: 'hello' }, null],
    ['blocks alone', { blocks: [section] }, null],
    ['an array', [], 'invalid_payload'],
    ['nothing to say', {}, 'no_text'],
    ['an empty text', { text: '' }, 'no_text'],
    ['an empty text and no blocks', { text: '', blocks: [] }, 'no_text'],
    ['text that is none', { text: 7 }, 'invalid_payload'],
    ['an emoji without colons', { text: 'x', icon_emoji: 'robot' }, 'invalid_payload'],
    ['50 blocks', { blocks: Array(50).fill(section) }, null],
    ['51 blocks', { blocks: Array(51).fill(section) }, 'invalid_blocks'],
    ['an unknown block', { blocks: [{ type: 'table_flip' }] }, 'invalid_blocks'],
    ['a header of 150', { blocks: [{ type: 'header', text: text('x'.repeat(150)) }] }, null],
    ['a header of 151', { blocks: [{ type: 'header', text: text('x'.repeat(151)) }] }, 'invalid_blocks'],
    ['a header in mrkdwn', { blocks: [{ type: 'header', text: section.text }] }, 'invalid_blocks'],
    ['a section of nothing', { blocks: [{ type: 'section' }] }, 'invalid_blocks'],
    ['a section of 3001', { blocks: [{ type: 'section', text: text('x'.repeat(3001)) }] }, 'invalid_blocks'],
    ['an empty text object', { blocks: [{ type: 'section', text: text('') }] }, 'invalid_blocks'],
    ['10 fields', { blocks: [{ type: 'section', fields: Array(10).fill(text('x')) }] }, null],
    ['11 fields', { blocks: [{ type: 'section', fields: Array(11).fill(text('x')) }] }, 'invalid_blocks'],
    ['a field of 2001', { blocks: [{ type: 'section', fields: [text('x'.repeat(2001))] }] }, 'invalid_blocks'],
    ['an unknown member', { blocks: [{ ...section, colour: 'red' }] }, 'invalid_blocks'],
    ['the same block_id twice', { blocks: [1, 2].map(() => ({ ...section, block_id: 'a' })) }, 'invalid_blocks'],
  ] as const) {
    test(`${what}: ${error ?? 'ok'}`, () => {
      const judged = judgePayload(payload);
      expect(judged.ok ? null : judged.error).toBe(error);
    });
  }
});

describe('the server', () => {
  let slack: SlackServer;
  beforeEach(() => {
    slack = startSlackServer();
  });
  afterEach(() => slack.stop());

  const post = async (url: string, body: string, type = 'application/json') => {
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
    return `${response.status} ${await response.text()}`;
  };

  test('takes and records a message', async () => {
    expect(await post(slack.webhookUrl, '{"text":"hello"}', 'application/json; charset=utf-8')).toBe('200 ok');
    expect(slack.messages).toEqual([{ text: 'hello' }]);
  });

  test('refuses in the words of Slack, and records nothing', async () => {
    const { webhookUrl } = slack;
    expect(await post(webhookUrl, '{"text":')).toBe('400 invalid_payload');
    expect(await post(webhookUrl, '{"text":"x"}', 'text/plain')).toBe('400 invalid_payload');
    expect(await post(webhookUrl, '{}')).toBe('400 no_text');
    expect(await post(webhookUrl, '{"blocks":[{"type":"section"}]}')).toBe('400 invalid_blocks');
    expect(await post(webhookUrl.replace('T00000001', 'T2'), '{}')).toBe('404 no_team');
    expect(await post(webhookUrl.replace('B00000001', 'B2'), '{}')).toBe('404 no_service');
    expect(await post(`${webhookUrl}x`, '{}')).toBe('403 invalid_token');
    expect(slack.messages).toEqual([]);
    expect(slack.attempts).toHaveLength(7);
  });

  test('answers what it was told to, once each, then behaves again', async () => {
    slack.answerNext({ status: 429, body: 'rate_limited', retryAfter: 3 }, { status: 500, body: 'rollup_error' });
    const limited = await fetch(slack.webhookUrl, { method: 'POST' });
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '3']);
    expect(await post(slack.webhookUrl, '{"text":"x"}')).toBe('500 rollup_error');
    expect(await post(slack.webhookUrl, '{"text":"x"}')).toBe('200 ok');
  });

  test('waitFor resolves with the message that it waits for', async () => {
    const second = slack.waitFor(2);
    await post(slack.webhookUrl, '{"text":"1"}');
    await post(slack.webhookUrl, '{"text":"2"}');
    await second;
    expect(slack.messages).toHaveLength(2);
    await expect(slack.waitFor(3, AbortSignal.abort())).rejects.toThrow('2 of 3 messages');
  });
});
