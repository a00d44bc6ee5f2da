import { judgePayload, type SlackMessage } from './slack-payload.ts';

/** One scripted answer; Slack's own words: 403 `action_prohibited`, 404 `no_service`, 410 `channel_is_archived`, ... */
export interface SlackAnswer {
  readonly status: number;
  readonly body: string;
  /** Seconds, sent as `Retry-After` (Slack sends it with 429). */
  readonly retryAfter?: number;
}

export interface SlackServer {
  /** The incoming webhook, as Slack would show it to the admin. */
  readonly webhookUrl: string;
  /** `host:port`, as the permission `network:<host:port>` names it. */
  readonly authority: string;
  /** Messages that it accepted, oldest first. */
  readonly messages: readonly SlackMessage[];
  /** Every attempt that reached the webhook and how it was answered: `200 ok`, `400 invalid_blocks /blocks/0/text...`. */
  readonly attempts: readonly string[];
  /** Answers that the next requests get, before anything is judged; then it behaves again. */
  answerNext(...answers: readonly SlackAnswer[]): void;
  /** Resolves when that many messages were accepted in all; rejects when the signal aborts first. */
  waitFor(count: number, signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const WEBHOOK_PATH = /^\/services\/(T[A-Z0-9]+)\/(B[A-Z0-9]+)\/([A-Za-z0-9]+)$/;
const OWN = { team: 'T00000001', service: 'B00000001', token: 'c291bmRzTGlrZUFUb2tlbg' };

/**
 * A server on a free local port that behaves as Slack's incoming webhooks do: one known webhook, JSON payloads
 * checked against the rules of Block Kit, errors as plain words, 429 with `Retry-After`. Slack documents these at
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
 */
export function startSlackServer(): SlackServer {
  const messages: SlackMessage[] = [];
  const attempts: string[] = [];
  const scripted: SlackAnswer[] = [];
  const waiting = new Set<() => void>();

  async function answer(request: Request): Promise<SlackAnswer & { detail?: string }> {
    const next = scripted.shift();
    if (next !== undefined) return next;
    const [, team, service, token] = WEBHOOK_PATH.exec(new URL(request.url).pathname) ?? [];
    if (team === undefined) return { status: 404, body: 'no_service' };
    if (team !== OWN.team) return { status: 404, body: 'no_team' };
    if (service !== OWN.service) return { status: 404, body: 'no_service' };
    if (token !== OWN.token) return { status: 403, body: 'invalid_token' };
    if (request.method !== 'POST') return { status: 405, body: 'method_not_allowed' };
    // Slack reads any other type as a form, finds no `payload` in it and says so in the same words.
    const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json') return { status: 400, body: 'invalid_payload', detail: `content type ${type}` };
    let payload: unknown;
    try {
      payload = await request.json();
    } catch {
      return { status: 400, body: 'invalid_payload', detail: 'not JSON' };
    }
    const judged = judgePayload(payload);
    if (!judged.ok) return { status: 400, body: judged.error, detail: judged.detail };
    messages.push(judged.message);
    for (const wake of waiting) wake();
    return { status: 200, body: 'ok' };
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { status, body, retryAfter, detail } = await answer(request);
      attempts.push([status, body, detail].filter((part) => part !== undefined).join(' '));
      const headers = new Headers({ 'content-type': 'text/html' });
      if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter));
      return new Response(body, { status, headers });
    },
  });

  return {
    webhookUrl: `http://127.0.0.1:${server.port}/services/${OWN.team}/${OWN.service}/${OWN.token}`,
    authority: `127.0.0.1:${server.port}`,
    messages,
    attempts,
    answerNext: (...answers) => void scripted.push(...answers),
    waitFor(count, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = () => {
        if (messages.length >= count) resolve();
      };
      const abort = () =>
        reject(new Error(`${messages.length} of ${count} messages; attempts: ${attempts.join(', ')}`));
      waiting.add(check);
      signal?.addEventListener('abort', abort, { once: true });
      check();
      if (signal?.aborted) abort();
      return promise.finally(() => {
        waiting.delete(check);
        signal?.removeEventListener('abort', abort);
      });
    },
    stop: () => server.stop(true),
  };
}
