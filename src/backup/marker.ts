import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { type DbAddress, openSession } from '../db/client.ts';
import type { Log } from '../log.ts';

/** Below the data folder: what a restore builds, and the note that it is under way. */
export const RESTORING = 'restoring';
export const NOTE = 'restore.json';
/** The same note in a database that is not the embedded one. */
export const NOTE_TABLE = 'restore_unfinished';

/** A restore died on its way: whoever starts here now would see what was there before, nothing, or half of it. */
export class RestoreUnfinished extends Error {
  constructor(where: string, note: string, undo: string) {
    super(
      `A restore into ${where} did not come to its end${note === '' ? '' : ` (${note})`}. Run \`streamspace restore\` again; ` +
        `or, to start with what was there before, ${undo}`,
    );
    this.name = 'RestoreUnfinished';
  }
}

/** @throws RestoreUnfinished when a restore into the data folder did not end */
export function assertRestored(dataDir: string): void {
  const folder = join(dataDir, RESTORING);
  if (!existsSync(folder)) return;
  const replaced = existsSync(join(folder, 'replaced'));
  const undo = replaced
    ? `move what is in ${join(folder, 'replaced')} back to ${dataDir} and remove ${folder}`
    : `remove ${folder}`;
  const path = join(folder, NOTE);
  throw new RestoreUnfinished(dataDir, existsSync(path) ? readFileSync(path, 'utf8').trim().slice(0, 1_000) : '', undo);
}

/** @throws RestoreUnfinished when a restore into the database did not end */
export async function assertDatabaseRestored(address: DbAddress, log: Log): Promise<void> {
  const session = await openSession(address, log);
  try {
    const note = await readNote(session);
    if (note === null) return;
    throw new RestoreUnfinished(
      'the database of DATABASE_URL',
      note,
      'restore an older backup: what was there is gone',
    );
  } finally {
    await session.end();
  }
}

/** What a restore noted in the database; null when there is nothing. */
export async function readNote(session: pg.Client): Promise<string | null> {
  const { rows } = await session.query<{ there: boolean }>(
    `select to_regclass('public.${NOTE_TABLE}') is not null as there`,
  );
  if (!rows[0]?.there) return null;
  const { rows: notes } = await session.query<{ note: string }>(
    `select left(note, 1000) as note from public.${NOTE_TABLE}`,
  );
  return notes[0]?.note ?? '';
}
