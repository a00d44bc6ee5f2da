import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { EVENT_LIMITS, isEventName, patternsMatching } from '../../sandbox-apis/events/patterns.ts';
import type { Db, Trx } from '../db/client.ts';

/** The channel on which a publisher hints that there is something to deliver. Any role can notify it: never the truth. */
export const DELIVERIES_CHANNEL = 'streamspace_deliveries';

export interface NewEvent {
  /** Dotted name, such as `user.created`. */
  readonly name: string;
  /** Anything that JSON can say, up to EVENT_LIMITS; `undefined` is stored as null. */
  readonly data: unknown;
  /** `core` (the default) or the name of the plugin that emitted it. */
  readonly source?: string;
}

/**
 * Stores an event and one delivery for each plugin that subscribes to it, in one statement. Pass the transaction of the
 * change that causes the event, so that both commit or neither does.
 * @returns the event's id (UUIDv7)
 * @throws CodedError `invalid_input` (name, depth, text that Postgres cannot hold), `payload_too_large`
 */
export async function publish(db: Db | Trx, event: NewEvent): Promise<string> {
  if (!isEventName(event.name)) throw new CodedError('invalid_input', `"${event.name}" is not an event name`);
  const data = encodeData(event.data);
  const id = Bun.randomUUIDv7();
  await sql`
    with event as (
      insert into events (id, name, data, source)
      values (${id}, ${event.name}, cast(cast(${data} as text) as jsonb), ${event.source ?? 'core'})
      returning id
    ), delivery as (
      insert into deliveries (event_id, plugin_name)
      select distinct event.id, s.plugin_name
      from event, plugin_subscriptions s
      where s.pattern = any(${patternsMatching(event.name)}::text[])
      returning 1
    )
    select pg_notify(${DELIVERIES_CHANNEL}, '') from (select from delivery limit 1) as one`.execute(db);
  return id;
}

/** The data as JSON text within the limits. */
function encodeData(data: unknown): string {
  assertStorable(data);
  const text = JSON.stringify(data) ?? 'null';
  const bytes = Buffer.byteLength(text);
  if (bytes > EVENT_LIMITS.dataBytes) {
    throw new CodedError('payload_too_large', `The event's data is ${bytes} bytes of JSON`, {
      limit: EVENT_LIMITS.dataBytes,
    });
  }
  return text;
}

/** Refuses what would fail inside Postgres and abort the caller's transaction: NUL, lone surrogates; and deep nesting. */
function assertStorable(data: unknown): void {
  const open: { value: unknown; depth: number }[] = [{ value: data, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value === 'string') assertText(value);
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= EVENT_LIMITS.dataDepth) {
      throw new CodedError('invalid_input', `The event's data is nested deeper than ${EVENT_LIMITS.dataDepth} levels`);
    }
    for (const [key, inner] of Object.entries(value)) {
      assertText(key);
      open.push({ value: inner, depth: depth + 1 });
    }
  }
}

function assertText(text: string): void {
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new CodedError('invalid_input', "The event's data holds text with a NUL or half a surrogate pair");
  }
}
