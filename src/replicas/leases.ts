import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { REPLICA_LIMITS } from './limits.ts';

/** What one core does at a time, for all: rows with an owner and an end, by Postgres' clock. */
export class Leases {
  readonly #db: Db;
  readonly #owner: string;

  /** @param owner id of this core */
  constructor(db: Db, owner: string) {
    this.#db = db;
    this.#owner = owner;
  }

  /**
   * Takes a lease, or keeps it for longer. Keep it up before it ends.
   *
   * @returns whether it is this core's until `ms` from now
   */
  async take(name: string, ms: number = REPLICA_LIMITS.leaseMs): Promise<boolean> {
    const { rows } = await sql<{ owner: string }>`
      insert into leases as held (name, owner, ends_at)
      values (${name}, ${this.#owner}, clock_timestamp() + ${ms}::float8 * interval '1 ms')
      on conflict (name) do update set owner = excluded.owner, ends_at = excluded.ends_at
      where held.owner = excluded.owner or held.ends_at <= clock_timestamp()
      returning owner`.execute(this.#db);
    return rows.length > 0;
  }

  async release(name: string): Promise<void> {
    await this.#db.deleteFrom('leases').where('name', '=', name).where('owner', '=', this.#owner).execute();
  }

  /**
   * Does the work if no other core does it now, and keeps the lease meanwhile. What cannot stand two at once checks in its
   * own transactions that it still counts: a core that stood still for longer than the lease does not know it yet.
   *
   * @returns what the work answers; null when another has the lease
   */
  async during<T>(
    name: string,
    work: () => Promise<T>,
    ms: number = REPLICA_LIMITS.leaseMs,
  ): Promise<{ readonly value: T } | null> {
    if (!(await this.take(name, ms))) return null;
    // One that cannot be kept ends, and the next to ask has it.
    const keeping = setInterval(() => void this.take(name, ms).catch(() => undefined), ms / 3);
    try {
      return { value: await work() };
    } finally {
      clearInterval(keeping);
      await this.release(name);
    }
  }
}
