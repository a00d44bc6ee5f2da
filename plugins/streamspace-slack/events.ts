import type { EventInfo } from '@streamspace/sdk';
import { createLedger } from './ledger.ts';
import { EVENT_NAMES, EVENTS, type EventName, eventMessage } from './logic.ts';
import { send } from './send.ts';
import type { Slack } from './settings.ts';

/** Subscribes to the events that are turned on, and to no others. */
export function subscribe(ctx: Slack): void {
  for (const name of EVENT_NAMES) {
    ctx.events.off(name);
    if (ctx.config[EVENTS[name].toggle]) ctx.events.on(name, (data, event) => tell(ctx, name, event, data));
  }
}

/**
 * Tells one event: once, within the hour's budget. Throws when Slack may take it later, so that the platform delivers
 * it again with its own backoff; a refusal for good is logged and counted.
 */
async function tell(ctx: Slack, name: EventName, event: EventInfo, data: unknown): Promise<void> {
  const ledger = createLedger(ctx.storage);
  if (await ledger.wasTold(event.id)) return;
  const quiet = await ledger.quietLeft(Date.now());
  if (quiet > 0) throw new Error(`Slack asked for quiet, for another ${Math.ceil(quiet / 1000)} s`);

  const limit = ctx.config.rateLimitPerHour;
  const now = Date.now();
  const taken = await ledger.take(limit, now);
  if (!taken.granted) {
    if (taken.first) ctx.log.warn('over the hourly limit: messages are left out', { limit });
    return;
  }
  const message = eventMessage({ name, id: event.id, time: Date.parse(event.time), data }, ctx.config);
  const outcome = await send(ctx, message);
  if (outcome.ok) {
    await ledger.markTold(event.id);
    return;
  }
  await ledger.giveBack(now);
  if (outcome.passing) throw new Error(`Slack did not take the message: ${outcome.error}`);
}
