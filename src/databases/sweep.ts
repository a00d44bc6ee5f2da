import type pg from 'pg';
import { type DbAddress, openSession } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Pointers } from './pointers.ts';
import type { Provisioner } from './provision.ts';

export interface SweepDeps {
  readonly address: DbAddress;
  readonly log: Log;
  readonly provisioner: Provisioner;
  readonly pointers: Pointers;
}

/** Any number will do that no one else takes: the bytes of "strmswep". A lock ends with its connection. */
const LOCK_KEY = '8319683848752981360';

/** Holds off the sweep of every core on this database until the session is ended: what is staged is named nowhere yet. */
export async function holdSweep(address: DbAddress, log: Log): Promise<pg.Client> {
  const session = await openSession(address, log);
  await session.query('select pg_advisory_lock_shared($1)', [LOCK_KEY]);
  return session;
}

/**
 * Drops databases and roles of this installation that no table names: what a crash left. Closes those that are no plugin's at
 * the moment and were to be closed.
 */
export async function sweepDatabases({ address, log, provisioner, pointers }: SweepDeps): Promise<void> {
  const session = await openSession(address, log);
  try {
    const { rows } = await session.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [LOCK_KEY]);
    if (!rows[0]?.mine) {
      log.info('databases of plugins are not swept: another core is exchanging one');
      return;
    }
    const [named, there] = [await pointers.named(), await provisioner.list()];
    for (const { name, isOpen } of there.databases) {
      if (!named.databases.has(name)) {
        await provisioner.drop(name);
        log.info({ database: name }, 'dropped a database that no plugin has');
      } else if (isOpen && !named.current.has(name)) await provisioner.close(name);
    }
    for (const role of there.roles) if (!named.roles.has(role)) await provisioner.dropRole(role);
  } finally {
    await session.end();
  }
}
