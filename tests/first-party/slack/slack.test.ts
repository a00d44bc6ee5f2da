import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type SlackServer, startSlackServer } from '../../kit/slack-server.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// The plugin through the real product: events of real users, the isolate, the gate, the network, a server like Slack's.

const NAME = 'streamspace-slack';
const PATH = `/api/plugins/${NAME}`;
const OWN_GRANTS = ['network:hooks.slack.com', 'sessions:read', 'users:read'];

interface Status {
  window: { start: string; limit: number; sent: number; suppressed: number };
  total: { sent: number; failed: number; suppressed: number };
  lastFailure: { status: number | null; error: string } | null;
}

setDefaultTimeout(60_000);

let core: RunningCore;
let slack: SlackServer;
let users = 0;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core.stop();
});
beforeEach(() => {
  slack = startSlackServer();
});
afterEach(async () => {
  await core.call('POST', `${PATH}/disable`);
  await slack.stop();
});

const deadline = () => AbortSignal.timeout(15_000);

/** Enables the plugin for the server of this test; storage, and so the hour's count, stays from test to test. */
async function enable(config: object = {}, grants: readonly string[] = [...OWN_GRANTS, `network:${slack.authority}`]) {
  return core.call<{ state: string; config: Record<string, unknown> }>('PATCH', PATH, {
    enabled: true,
    grants,
    config: { webhookUrl: slack.webhookUrl, rateLimitPerHour: 3600, ...config },
  });
}

async function addUser(name: string): Promise<void> {
  users += 1;
  const user = { email: `user${users}@example.com`, name, password: 'a password of a user', role: 'user' };
  const { status } = await core.call('POST', '/api/users', user);
  expect(status).toBe(201);
}

const status = async () => (await core.call<Status>('GET', `${PATH}/status`)).body;

/** Asks again until it holds; each turn is a request to the core, so that nothing spins. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const signal = deadline();
  while (!(await holds())) signal.throwIfAborted();
}

/** Nothing is under way or waiting for a retry any more. */
const settled = () =>
  until(async () => {
    const { body } = await core.call<{ events: { pending: number } }>('GET', `${PATH}/metrics`);
    return body.events.pending === 0;
  });

test('the connection test sends a message that Slack takes', async () => {
  expect(await enable()).toMatchObject({ status: 200, body: { state: 'active' } });
  expect(await core.call('POST', `${PATH}/test`)).toEqual({ status: 200, body: { ok: true, status: 200 } });
  expect(slack.attempts).toEqual(['200 ok']);
  expect(slack.messages[0]).toMatchObject({ text: 'StreamSpace is connected.', username: 'StreamSpace' });
});

test('the connection test says what Slack refused, in its words', async () => {
  await enable();
  slack.answerNext({ status: 404, body: 'no_service' });
  expect((await core.call('POST', `${PATH}/test`)).body).toEqual({ ok: false, status: 404, error: 'no_service' });
  expect((await status()).lastFailure).toMatchObject({ status: 404, error: 'no_service' });
});

test('a host that was not granted is not reached', async () => {
  await enable({}, OWN_GRANTS);
  const { body } = await core.call<{ ok: boolean; error: string }>('POST', `${PATH}/test`);
  expect(body).toMatchObject({ ok: false, status: null });
  expect(body.error).toContain(`network:${slack.authority}`);
  expect(slack.attempts).toEqual([]);
});

test('only admins reach its endpoints', async () => {
  await enable();
  for (const [method, path] of [
    ['POST', '/test'],
    ['GET', '/status'],
  ] as const) {
    expect((await fetch(core.url + PATH + path, { method })).status).toBe(401);
  }
});

test('a user that is created is told, whatever the name', async () => {
  await enable();
  await addUser('<!channel> & co');
  await slack.waitFor(1, deadline());
  const sent = JSON.stringify(slack.messages[0]);
  expect(slack.messages[0]?.text).toBe('User created · &lt;!channel&gt; &amp; co');
  expect(sent).not.toContain('<!channel>');
  expect(sent).toContain('*Email*\\nuser');
});

test('toggles count at once, without a reload', async () => {
  await enable({ notifyOnUserCreated: false, notifyOnUserLogin: true });
  await addUser('Unheard');
  const { email, password } = core.admin;
  await core.call('POST', '/api/auth/login', { email, password });
  await slack.waitFor(1, deadline());
  // What was published under the old toggles has to be told under them.
  await settled();
  await enable({ notifyOnUserCreated: true, notifyOnUserLogin: false });
  await core.call('POST', '/api/auth/login', { email, password });
  await settled();
  await addUser('Heard');
  await slack.waitFor(2, deadline());
  await settled();
  expect(slack.messages.map(({ text }) => text?.split(' · ')[0])).toEqual(['User signed in', 'User created']);
});

test('what Slack does not take at first is sent again, and arrives once', async () => {
  await enable();
  slack.answerNext({ status: 500, body: 'rollup_error' }, { status: 503, body: '' });
  await addUser('Persistent');
  await slack.waitFor(1, deadline());
  await settled();
  expect(slack.attempts).toEqual(['500 rollup_error', '503 ', '200 ok']);
  expect(slack.messages).toHaveLength(1);
});

test('a refusal for good is not sent again', async () => {
  await enable();
  slack.answerNext({ status: 410, body: 'channel_is_archived' });
  await addUser('Archived');
  await settled();
  expect(slack.attempts).toEqual(['410 channel_is_archived']);
  expect((await status()).lastFailure).toMatchObject({ status: 410, error: 'channel_is_archived' });
});

test('a long Retry-After is heeded by the following events too', async () => {
  await enable();
  slack.answerNext({ status: 429, body: 'rate_limited', retryAfter: 3 });
  await core.call('POST', `${PATH}/test`);
  await addUser('Quiet');
  await core.logged(NAME, 'Slack asked for quiet');
  expect(slack.attempts).toEqual(['429 rate_limited']);
  // It comes with the second redelivery, on a slow machine with the third: 1, 4 and 16 s later.
  await slack.waitFor(1, AbortSignal.timeout(40_000));
  expect(slack.messages[0]?.text).toBe('User created · Quiet');
  // Else the plugin is disabled before it has noted that the event was told, which is then delivered again.
  await settled();
}, 60_000);

describe('the hourly limit', () => {
  test('leaves out what is over it, counts it, and a reload does not reset it', async () => {
    const limited = async () => {
      const before = await status();
      const limit = before.window.sent + 1;
      await enable({ rateLimitPerHour: limit });
      const sentBefore = slack.messages.length;
      await addUser('Within');
      await slack.waitFor(sentBefore + 1, deadline());
      await addUser('Over');
      await settled();
      expect((await core.call('POST', `${PATH}/reload`)).status).toBe(200);
      await addUser('Still over');
      await settled();
      return { before, after: await status(), sent: slack.messages.length - sentBefore, limit };
    };
    await enable();
    let run = await limited();
    // The hour turned in between, and the count began anew: once more, in the new one.
    if (run.before.window.start !== run.after.window.start) run = await limited();
    expect(run.sent).toBe(1);
    expect(run.after.window).toMatchObject({ sent: run.limit, limit: run.limit });
    expect(run.after.window.suppressed - run.before.window.suppressed).toBe(2);
    expect(run.after.total.suppressed - run.before.total.suppressed).toBe(2);
    expect(await core.logged(NAME, 'over the hourly limit')).toContain('"warn"');
  });
});

describe('its configuration', () => {
  test('needs a webhook over https, or on this machine', async () => {
    for (const webhookUrl of [undefined, '', 'hooks.slack.com', 'http://example.com/hook', 'ftp://localhost/x', 7]) {
      const { status: code, body } = await core.call<{ errors: { pointer: string }[] }>('PATCH', PATH, {
        enabled: true,
        grants: OWN_GRANTS,
        config: { webhookUrl },
      });
      expect([webhookUrl, code, body.errors[0]?.pointer]).toEqual([webhookUrl, 422, '/config/webhookUrl']);
    }
  });

  test('keeps the address of the webhook to itself', async () => {
    const { body } = await enable();
    expect(body.config.webhookUrl).toBe('********');
    await core.call('POST', `${PATH}/test`);
    slack.answerNext({ status: 400, body: `bad request to ${slack.webhookUrl}` });
    await core.call('POST', `${PATH}/test`);
    expect(await core.logged(NAME, 'bad request to')).not.toContain(slack.webhookUrl);
    expect(JSON.stringify(await core.call('GET', PATH))).not.toContain(slack.webhookUrl);
  });
});
