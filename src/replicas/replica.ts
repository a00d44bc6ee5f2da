import { sql } from 'kysely';
import { version } from '../../package.json' with { type: 'json' };
import type { Db } from '../db/client.ts';
import { DELIVERIES_CHANNEL } from '../events/publish.ts';
import type { Log } from '../log.ts';
import { REPLICA_LIMITS, type ReplicaTimes } from './limits.ts';

/** A plugin that a core could not make as the tables say. */
export interface Behind {
  /** Of the row that it should be as. */
  readonly revision: number;
  readonly error: string;
  /** ISO 8601, by the core's own clock. */
  readonly since: string;
}

/** A core, as an admin sees it. */
export interface ReplicaView {
  readonly id: string;
  readonly self: boolean;
  readonly startedAt: string;
  readonly seenAt: string;
  readonly alive: boolean;
  readonly version: string;
  readonly address: string | null;
  readonly filesFolder: string;
  readonly behind: Readonly<Record<string, Behind>>;
}

export interface ReplicaDeps {
  readonly db: Db;
  readonly log: Log;
  /** Whether others may be on the same database: not on the embedded one. */
  readonly isShared: boolean;
  readonly address: string | null;
  /** Names the folder of the files: see files-folder.ts. */
  readonly filesFolder: string;
  /** Names the data folder, which this core holds alone: others that say so are gone. */
  readonly home?: string;
  /** A UUID; a new one unless it is given. */
  readonly id?: string;
  readonly limits?: Pick<ReplicaTimes, 'heartbeatMs' | 'goneMs'>;
}

/** This core among those on one database: it gives signs of life, and tells who else does. */
export class Replica {
  readonly id: string;
  readonly isShared: boolean;
  readonly #deps: ReplicaDeps;
  readonly #limits: Pick<ReplicaTimes, 'heartbeatMs' | 'goneMs'>;
  #behind: Readonly<Record<string, Behind>> = {};
  #timer: Timer | null = null;
  #beating: Promise<void> = Promise.resolve();
  /** When it last gave a sign of life, and since when it has done so without a gap, by `performance.now()`. */
  #seenAt = 0;
  #steadySince = 0;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    this.id = deps.id ?? Bun.randomUUIDv7();
    this.isShared = deps.isShared;
    this.#limits = deps.limits ?? REPLICA_LIMITS;
  }

  /** Says that it is there. On a database of its own, whoever was there before is gone. */
  async start(): Promise<void> {
    await this.#beat();
    await this.#removeGone(!this.isShared);
    if (!this.isShared) return;
    this.#timer = setInterval(() => {
      this.#beating = this.#beat()
        .then(() => (this.#maySayGone() ? this.#removeGone(false) : undefined))
        .catch(this.#onFailure);
    }, this.#limits.heartbeatMs);
  }

  /** Takes it off the list. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#beating;
    await this.#deps.db
      .deleteFrom('replicas')
      .where('id', '=', this.id)
      .execute()
      .catch((error: unknown) => this.#deps.log.debug({ err: error }, 'this core stays on the list for a moment'));
  }

  /** Which plugins are not here as the tables say. */
  set behind(behind: Readonly<Record<string, Behind>>) {
    this.#behind = behind;
    this.#beating = this.#beating.then(() => this.#beat()).catch(this.#onFailure);
  }

  async list(): Promise<ReplicaView[]> {
    const { rows } = await sql<Row>`
      select *, ${this.#isAlive()} as alive from replicas r order by started_at, id`.execute(this.#deps.db);
    return rows.map((row) => {
      const self = row.id === this.id;
      return {
        id: row.id,
        self,
        startedAt: row.started_at.toISOString(),
        seenAt: row.seen_at.toISOString(),
        // On a database of its own there are no signs of life, and nobody whom they would be for.
        alive: row.alive || (self && !this.isShared),
        version: row.version,
        address: row.address,
        filesFolder: row.files_folder,
        behind: self ? this.#behind : row.behind,
      };
    });
  }

  /** Ids of the others that live. */
  async others(): Promise<string[]> {
    if (!this.isShared) return [];
    const { rows } = await sql<{ id: string }>`
      select id from replicas r where ${this.#isAlive()} and id <> ${this.id}`.execute(this.#deps.db);
    return rows.map(({ id }) => id);
  }

  #isAlive() {
    return sql`r.seen_at > clock_timestamp() - ${this.#limits.goneMs}::float8 * interval '1 ms'`;
  }

  readonly #onFailure = (error: unknown): void => {
    this.#deps.log.warn({ err: error }, 'no sign of life could be given');
  };

  /** After an outage of the database, or of this machine, all others seem to be gone: they are given time first. */
  #maySayGone(): boolean {
    return performance.now() - this.#steadySince > this.#limits.goneMs;
  }

  async #beat(): Promise<void> {
    const { db, address, filesFolder, home = null } = this.#deps;
    // A core that was thought gone and is not comes back by itself.
    await sql`
      insert into replicas (id, version, address, files_folder, home, behind)
      values (${this.id}, ${version}, ${address}, ${filesFolder}, ${home}, ${JSON.stringify(this.#behind)}::text::jsonb)
      on conflict (id) do update set seen_at = clock_timestamp(), behind = excluded.behind`.execute(db);
    const now = performance.now();
    if (now - this.#seenAt > 2 * this.#limits.heartbeatMs) this.#steadySince = now;
    this.#seenAt = now;
  }

  /** Removes cores that are gone, and gives back at once what they had claimed; @param all whether all others are. */
  async #removeGone(all: boolean): Promise<void> {
    const { db, log, home = null } = this.#deps;
    const gone = all ? sql`true` : sql`(not (${this.#isAlive()}) or r.home = ${home})`;
    await db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ id: string }>`
        delete from replicas r where r.id <> ${this.id} and ${gone} returning id`.execute(trx);
      if (rows.length === 0) return;
      const ids = rows.map(({ id }) => id);
      const { numAffectedRows: deliveries } = await sql`
        update deliveries set next_attempt_at = clock_timestamp(), claimed_by = null
        where claimed_by = any(${ids}::uuid[]) and state = 'pending'`.execute(trx);
      await sql`
        update job_runs set lease_until = clock_timestamp()
        where owner = any(${ids}::uuid[]) and state = 'running' and lease_until > clock_timestamp()`.execute(trx);
      await sql`select pg_notify(${DELIVERIES_CHANNEL}, '')`.execute(trx);
      log.info(
        { ids, deliveries: Number(deliveries ?? 0) },
        'cores are gone; what they were delivering goes to others',
      );
    });
  }
}

interface Row {
  readonly id: string;
  readonly started_at: Date;
  readonly seen_at: Date;
  readonly alive: boolean;
  readonly version: string;
  readonly address: string | null;
  readonly files_folder: string;
  readonly behind: Readonly<Record<string, Behind>>;
}
