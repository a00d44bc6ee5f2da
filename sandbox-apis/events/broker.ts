import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { RegistrationSink } from '../_kit/registrations.ts';
import type { eventsContract } from './contract.ts';
import { EVENT_LIMITS, isEventName } from './patterns.ts';

export interface EventsDeps {
  readonly registrations: RegistrationSink;
  /** Stores the event and its deliveries; answers its id once it is durable. */
  readonly publish: (event: { name: string; data: unknown; source: string }) => Promise<string>;
  /** Events that one plugin may emit in a minute. */
  readonly emitsPerMinute?: number;
}

/** The core's half of `streamspace.events`. */
export function createEventsBroker(deps: EventsDeps): Handlers<typeof eventsContract> {
  const emits = new RateLimiterMemory({ points: deps.emitsPerMinute ?? EVENT_LIMITS.emitsPerMinute, duration: 60 });

  return {
    on: (caller, subscription) => ({
      id: deps.registrations.add(caller, { kind: 'subscription', ...subscription }),
    }),
    off: (caller, { id }) => {
      deps.registrations.remove(caller, id);
      return {};
    },
    emit: async (caller, { name, data }) => {
      const full = `plugin.${caller.plugin}.${name}`;
      if (!isEventName(full)) throw new CodedError('invalid_input', `name: "${full}" is too long for an event name`);
      await spend(emits, caller);
      return { id: await deps.publish({ name: full, data, source: caller.plugin }) };
    },
  };
}

async function spend(emits: RateLimiterMemory, caller: Caller): Promise<void> {
  try {
    await emits.consume(caller.plugin);
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const resetsAt = new Date(Date.now() + refusal.msBeforeNext).toISOString();
    const message = `More than ${emits.points} events a minute; it resets at ${resetsAt}`;
    throw new CodedError('quota_exceeded', message, { limit: 'emitsPerMinute', max: emits.points, resetsAt });
  }
}
