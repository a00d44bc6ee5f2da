import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { EVENT_LIMITS, isEventName, patternsMatching } from '../../sandbox-apis/events/patterns.ts';
import type { Db, Trx } from '../db/client.ts';
import { currentSpan } from '../telemetry/scope.ts';

/** A notification holds 8,000 bytes; a hint that names too many plugins names none. */
export const HINT_BYTES = 7_900;

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

/** An event that was checked and may be stored. */
export interface EncodedEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly data: string;
  readonly source: string;
  /** Where the publisher's trace was; null when it is not traced. */
  readonly traceparent: string | null;
}

/**
 * Stores an event and one delivery for each plugin that subscribes to it, in one statement. Pass the transaction of the
 * change that causes the event, so that both commit or neither does; dispatchers hear of it with the commit.
 * @returns the event's id (UUIDv7)
 * @throws CodedError `invalid_input` (name, depth, text that Postgres cannot hold), `payload_too_large`
 */
export async function publish(db: Db | Trx, event: NewEvent): Promise<string> {
  const encoded = encodeEvent(event);
  await sql`${insertEvents([encoded])}
    select pg_notify(${DELIVERIES_CHANNEL}, case when octet_length(names) < ${HINT_BYTES}::int then names else '' end)
    from (select string_agg(plugin_name, ' ') as names from delivery) as told
    where names is not null`.execute(db);
  return encoded.id;
}

/**
 * Checks an event and gives it its id.
 * @throws CodedError `invalid_input`, `payload_too_large`
 */
export function encodeEvent({ name, data, source = 'core' }: NewEvent): EncodedEvent {
  if (!isEventName(name)) throw new CodedError('invalid_input', `"${name}" is not an event name`);
  const traceparent = currentSpan()?.traceparent ?? null;
  return { id: Bun.randomUUIDv7(), name, data: encodeData(data), source, traceparent };
}

/**
 * The beginning of a statement that stores events, in their order, with their deliveries; the rows of `delivery` are the
 * `plugin_name`s that get one. Of several patterns that match, the longest with an order gives the key.
 */
export function insertEvents(events: readonly EncodedEvent[]) {
  const matches = events.flatMap(({ id, name }) => patternsMatching(name).map((pattern) => ({ id, pattern })));
  return sql`
    with event as (
      insert into events (id, name, data, source, traceparent)
      select e.id, e.name, e.data::jsonb, e.source, e.traceparent
      from unnest(
        ${events.map(({ id }) => id)}::uuid[], ${events.map(({ name }) => name)}::text[],
        ${events.map(({ data }) => data)}::text[], ${events.map(({ source }) => source)}::text[],
        ${events.map(({ traceparent }) => traceparent)}::text[]
      ) as e(id, name, data, source, traceparent)
      returning id, data
    ), delivery as (
      insert into deliveries (event_id, plugin_name, order_key)
      select distinct on (e.id, s.plugin_name) e.id, s.plugin_name, order_key_of(e.data, s.order_by)
      from unnest(${matches.map(({ id }) => id)}::uuid[], ${matches.map(({ pattern }) => pattern)}::text[])
        as m(event_id, pattern)
      join plugin_subscriptions s on s.pattern = m.pattern
      join event e on e.id = m.event_id
      order by e.id, s.plugin_name, s.order_by is null, length(s.pattern) desc
      returning plugin_name
    )`;
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
