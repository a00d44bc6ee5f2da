import type { Db, Trx } from '../db/client.ts';

/** One act to remember: who did what to which thing. */
export interface AuditEntry {
  readonly actorKind: 'user' | 'plugin' | 'system';
  /** User id, plugin name, or the part of the system. */
  readonly actor: string;
  /** `resource.verb`, such as `user.created`. */
  readonly action: string;
  readonly target?: string | null;
  /** Facts for the reader; never secrets. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes an audit entry; within a transaction it stands or falls with the change. */
export async function audit(db: Db | Trx, entry: AuditEntry): Promise<void> {
  await db
    .insertInto('audit_log')
    .values({
      actor_kind: entry.actorKind,
      actor: entry.actor,
      action: entry.action,
      target: entry.target ?? null,
      detail: JSON.stringify(entry.detail ?? {}),
    })
    .execute();
}
