import { createLedger } from './ledger.ts';
import { suppressedMessage } from './logic.ts';
import { send } from './send.ts';
import type { Slack } from './settings.ts';

/** When an hour has turned, one line says how many messages were left out in it. */
export function registerJobs(ctx: Slack): void {
  ctx.scheduler.schedule('0 * * * *', () => tellSuppressed(ctx), { name: 'left-out', catchUp: true });
}

async function tellSuppressed(ctx: Slack): Promise<void> {
  const ledger = createLedger(ctx.storage);
  for (const { start, suppressed } of await ledger.pastHours(Date.now())) {
    if (suppressed > 0) {
      const outcome = await send(ctx, suppressedMessage(suppressed, start, ctx.config));
      // What may pass is left for the next hour; what is refused for good would be refused then too.
      if (!outcome.ok && outcome.passing) continue;
    }
    await ledger.forgetHour(start);
  }
}
