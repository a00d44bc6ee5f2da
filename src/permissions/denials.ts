import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Redactor } from '../secrets/redact.ts';
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

export interface DenialsDeps {
  readonly db: Db;
  readonly log: Log;
  /** A plugin may ask for a host or a name that holds a secret. */
  readonly redactor: Pick<Redactor, 'redact'>;
  readonly now?: () => number;
}

/**
 * Writes refusals of the gate to the log and the audit log: the first of a plugin and permission, and with the next one
 * after a minute how many there were in between.
 */
export function createDenials({ db, log, redactor, now = Date.now }: DenialsDeps) {
  const seen = new Map<string, Seen>();
  return ({ plugin }: { readonly plugin: string }, call: string, error: CodedError): void => {
    const permission = redactor.redact(String(error.extra.permission), plugin);
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
