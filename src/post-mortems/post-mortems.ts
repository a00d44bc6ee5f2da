import { type Selectable, sql } from 'kysely';
import type { CallTrail } from '../broker/call-trail.ts';
import type { Db } from '../db/client.ts';
import type { PluginPostMortems } from '../db/tables.ts';
import type { Page } from '../events/store.ts';
import type { Guest } from '../host/guest.ts';
import type { Log } from '../log.ts';
import { cleanText } from '../plugins/log-line.ts';
import type { Redactor } from '../secrets/redact.ts';
import { type Death, type Deceased, describeLoss } from './describe-loss.ts';
import { POST_MORTEM_LIMITS, type PostMortemLimits } from './limits.ts';
import type { Outcome, PostMortem, PostMortemFacts, PostMortemSummary } from './record.ts';

export interface PostMortemDeps {
  readonly db: Db;
  readonly redactor: Redactor;
  readonly log: Log;
  readonly trail: Pick<CallTrail, 'of'>;
  readonly limits?: PostMortemLimits;
}

export interface PostMortems {
  /**
   * Takes down what is known of a death, and keeps it. Call it at once: before the trail of the isolate is dropped.
   * Never throws, never makes anybody wait.
   */
  record(guest: Guest, deceased: Deceased, death: Death, outcome: Outcome): void;
  /** Keeps a record; resolves when that is done. Never rejects: what cannot be kept is logged. */
  write(facts: PostMortemFacts): Promise<void>;
  /** The newest first, with ids below `before`; `nextCursor` is the `before` of the following page. */
  list(plugin: string, page: { limit: number; before?: number | undefined }): Promise<Page<PostMortemSummary>>;
  get(plugin: string, id: number): Promise<PostMortem | null>;
}

/** The records of how plugins lost their isolates: in the database, without secrets, a limited number of each plugin. */
export function createPostMortems(deps: PostMortemDeps): PostMortems {
  const { db, redactor, log, trail, limits = POST_MORTEM_LIMITS } = deps;

  function clean(facts: PostMortemFacts): PostMortemFacts {
    const text = (raw: string, chars: number): string => cleanText(raw, redactor, facts.plugin, chars);
    const name = (raw: string): string => text(raw, limits.nameChars);
    return {
      ...facts,
      detail: text(facts.detail, limits.detailChars),
      underWay: facts.underWay.slice(0, limits.underWay).map(({ what, ms }) => ({ what: name(what), ms })),
      lastCalls: facts.lastCalls.map((call) => ({
        ...call,
        call: name(call.call),
        permission: call.permission === null ? null : name(call.permission),
      })),
      stack: facts.stack === null ? null : text(facts.stack, limits.stackChars),
    };
  }

  async function write(facts: PostMortemFacts): Promise<void> {
    try {
      const { plugin, lastCalls, underWay, host, heap, ...rest } = clean(facts);
      await db
        .insertInto('plugin_post_mortems')
        .values({
          ...rest,
          plugin_name: plugin,
          at: sql`now()`,
          host: host === null ? null : JSON.stringify(host),
          under_way: JSON.stringify(underWay),
          last_calls: JSON.stringify(lastCalls),
          heap: JSON.stringify(heap),
        })
        .execute();
      await prune(plugin);
    } catch (error) {
      notKept(error, facts.plugin, facts.cause);
    }
  }

  function notKept(error: unknown, plugin: string, cause: string): void {
    log.error({ err: error, plugin, cause }, 'a post-mortem was not kept');
  }

  async function prune(plugin: string): Promise<void> {
    await sql`
      delete from plugin_post_mortems
      where at < now() - make_interval(days => ${limits.days}::int)
        or id in (
          select id from plugin_post_mortems where plugin_name = ${plugin}
          order by id desc offset ${limits.kept}
        )`.execute(db);
  }

  return {
    write,

    record(guest, deceased, death, outcome) {
      try {
        const facts = describeLoss(guest, deceased, death, trail.of(guest));
        if (facts !== null) void write({ ...facts, outcome });
      } catch (error) {
        notKept(error, deceased.plugin, death.reason);
      }
    },

    async list(plugin, { limit, before }) {
      let query = db
        .selectFrom('plugin_post_mortems')
        .select(['id', 'plugin_name', 'version', 'at', 'cause', 'verdict', 'outcome', 'detail'])
        .where('plugin_name', '=', plugin);
      if (before !== undefined) query = query.where('id', '<', before);
      const rows = await query
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute();
      const items = rows.slice(0, limit).map(toSummary);
      const last = items.at(-1);
      return { items, nextCursor: rows.length > limit && last !== undefined ? String(last.id) : null };
    },

    async get(plugin, id) {
      const row = await db
        .selectFrom('plugin_post_mortems')
        .selectAll()
        .where('plugin_name', '=', plugin)
        .where('id', '=', id)
        .executeTakeFirst();
      return row === undefined ? null : toPostMortem(row);
    },
  };
}

type Row = Selectable<PluginPostMortems>;
type SummaryRow = Pick<Row, 'id' | 'plugin_name' | 'version' | 'at' | 'cause' | 'verdict' | 'outcome' | 'detail'>;

function toSummary(row: SummaryRow): PostMortemSummary {
  const { id, plugin_name: plugin, version, detail } = row;
  const { cause, verdict, outcome } = row as Pick<PostMortemFacts, 'cause' | 'verdict' | 'outcome'>;
  return { id, plugin, version, at: row.at.toISOString(), cause, verdict, outcome, detail };
}

function toPostMortem(row: Row): PostMortem {
  // Only `write` fills these columns.
  const { host, heap, stack } = row as unknown as Pick<PostMortemFacts, 'host' | 'heap' | 'stack'>;
  const underWay = row.under_way as unknown as PostMortemFacts['underWay'];
  const lastCalls = row.last_calls as unknown as PostMortemFacts['lastCalls'];
  return { ...toSummary(row), host, underWay, lastCalls, heap, stack };
}
