import { type RawBuilder, sql } from 'kysely';
import { REPLICA_LIMITS } from './limits.ts';

/** SQL: whether the core that `column` names lives, and what it prepares is not to be touched. */
export function ownerLives(column: string): RawBuilder<boolean> {
  return sql<boolean>`exists (
    select from replicas r where r.id = ${sql.ref(column)}
      and r.seen_at > clock_timestamp() - ${REPLICA_LIMITS.goneMs}::float8 * interval '1 ms'
  )`;
}
