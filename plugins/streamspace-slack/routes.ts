import { createLedger } from './ledger.ts';
import { testMessage } from './logic.ts';
import { send } from './send.ts';
import type { Slack } from './settings.ts';

/** What an admin can ask the plugin. */
export function registerRoutes(ctx: Slack): void {
  ctx.api.post(
    '/test',
    async () => {
      const outcome = await send(ctx, testMessage(ctx.config), 0);
      return outcome.ok
        ? { ok: true, status: outcome.status }
        : { ok: false, status: outcome.status, error: outcome.error };
    },
    {
      auth: 'admin',
      summary: 'Send a test message to the configured webhook',
      rateLimit: { max: 10, window: '1m' },
    },
  );
  ctx.api.get(
    '/status',
    async () => {
      const { window, ...rest } = await createLedger(ctx.storage).status(Date.now());
      return { window: { ...window, limit: ctx.config.rateLimitPerHour }, ...rest };
    },
    { auth: 'admin', summary: 'What was sent, what failed and what the hourly limit left out' },
  );
}
