import { deliver, type Outcome } from './deliver.ts';
import { createLedger } from './ledger.ts';
import type { SlackMessage } from './logic.ts';
import { type Slack, webhookUrl } from './settings.ts';

/** Sends a message to the configured webhook and keeps the books: totals, the last failure, Slack's wish for quiet. */
export async function send(ctx: Slack, message: SlackMessage, retries?: number): Promise<Outcome> {
  const ledger = createLedger(ctx.storage);
  const outcome = await deliver(await webhookUrl(ctx), message, retries ?? ctx.config.retryAttempts, {
    fetch: (url, init) => ctx.fetch(url, init),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now: () => performance.now(),
    random: Math.random,
  });
  if (outcome.ok) {
    await ledger.countSend(null);
    return outcome;
  }
  const { status, error, attempts, quietMs } = outcome;
  ctx.log.error('Slack did not take a message', { status, error, attempts });
  await ledger.countSend({ time: new Date().toISOString(), status, error });
  if (quietMs > 0) await ledger.keepQuiet(quietMs, Date.now());
  return outcome;
}
