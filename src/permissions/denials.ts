import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { audit } from './audit.ts';

/** Milliseconds in which one refusal stands for all that are alike: a plugin that asks in a loop is one finding. */
const ALIKE_MS = 60_000;
/** Kinds of refusals that are remembered; a plugin can make up permissions without end. */
const REMEMBERED = 1_000;

interface Seen {
  until: number;
  /** Refusals since the one that was written down. */
  more: number;
}

/**
 * Writes refusals of the gate to the log and the audit log: the first of a plugin and permission, and with the next one
 * after a minute how many there were in between.
 */
export function createDenials({ db, log, now = Date.now }: { readonly db: Db; readonly log: Log; now?: () => number }) {
  const seen = new Map<string, Seen>();
  return ({ plugin }: { readonly plugin: string }, call: string, error: CodedError): void => {
    const permission = String(error.extra.permission);
    const key = JSON.stringify([plugin, permission]);
    const before = seen.get(key);
    if (before !== undefined && before.until > now()) {
      before.more += 1;
      return;
    }
    if (seen.size >= REMEMBERED) seen.clear();
    seen.set(key, { until: now() + ALIKE_MS, more: 0 });
    const alike = before?.more ?? 0;
    log.warn({ plugin, call, permission, alike }, 'a guest call was refused');
    audit(db, {
      actorKind: 'plugin',
      actor: plugin,
      action: 'permission.denied',
      target: permission,
      detail: { call, alike },
    }).catch((err: unknown) => log.error({ err, plugin }, 'a refusal was not written down'));
  };
}
