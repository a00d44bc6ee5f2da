import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { type DbAddress, openSession } from '../db/client.ts';
import { startEmbedded } from '../db/embedded.ts';
import type { Log } from '../log.ts';
import { incompatible } from './failures.ts';
import { NOTE, NOTE_TABLE, RESTORING, readNote } from './marker.ts';

/** What of a data folder a restore replaces: the key stays, and caches are made anew. */
const PARTS = ['postgres', 'files'] as const;

/** Looks for connections of a core, and milliseconds between them. */
const LOOKS = 10;
const LOOK_MS = 100;

export interface TargetOptions {
  readonly dataDir: string;
  /** Null for the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** Whether what is there may go. */
  readonly replace: boolean;
  /** Told to whoever finds the restore unfinished. */
  readonly note: string;
  readonly log: Log;
}

/** Where a backup is restored: everything is built beside what is there, and takes its place at the end. */
export interface Target {
  readonly address: DbAddress;
  readonly isEmbedded: boolean;
  /** Folder of the files' contents. */
  readonly files: string;
  /** Ends the server that it started, if any, and puts everything in place. */
  finish(): Promise<void>;
  /** Ends the server, and removes what was built; what was there is as it was, but for an external database. */
  abandon(): Promise<void>;
}

/** Whether a restore would replace something. Only for who holds the lock on the data folder. */
export async function isTaken({
  dataDir,
  databaseUrl,
  log,
}: Omit<TargetOptions, 'replace' | 'note'>): Promise<boolean> {
  if (existsSync(join(dataDir, 'files')) && (await readdir(join(dataDir, 'files'))).length > 0) return true;
  if (databaseUrl === null) return existsSync(join(dataDir, 'postgres', 'data'));
  const session = await openSession({ url: databaseUrl }, log);
  try {
    await assertNobody(session);
    // What a restore that died has left is nobody's.
    if ((await readNote(session)) !== null) return false;
    const { rows } = await session.query<{ tables: number; ours: boolean }>(
      `select count(*) as tables, to_regclass('public.schema_migrations') is not null as ours
       from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')`,
    );
    const [found] = rows;
    if (Number(found?.tables) > 0 && !found?.ours) {
      throw new CodedError(
        'restore_not_empty',
        'The database of DATABASE_URL holds something that is not StreamSpace’s',
      );
    }
    return Number(found?.tables) > 0;
  } finally {
    await session.end();
  }
}

/** Connections of a core that has just stopped end within a moment. @throws CodedError `restore_not_empty` */
async function assertNobody(session: pg.Client): Promise<void> {
  for (let look = 1; ; look += 1) {
    const others = await session.query(
      `select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
       and application_name = 'streamspace'`,
    );
    if (others.rows.length === 0) return;
    if (look === LOOKS) {
      throw new CodedError('restore_not_empty', 'A core works on the database of DATABASE_URL: stop it first');
    }
    await Bun.sleep(LOOK_MS);
  }
}

/** Makes room. @throws CodedError `restore_not_empty`, `backup_incompatible` */
export async function openTarget(options: TargetOptions, postgres: number): Promise<Target> {
  const { dataDir, databaseUrl, replace, note, log } = options;
  if ((await isTaken(options)) && !replace) throw new CodedError('restore_not_empty');
  const building = join(dataDir, RESTORING);
  await rm(building, { recursive: true, force: true });
  await mkdir(building, { mode: 0o711 });
  await writeFile(join(building, NOTE), note);
  const embedded = databaseUrl === null ? await startEmbedded({ dataDir: building, log }) : null;
  const address = embedded?.address ?? { url: databaseUrl ?? '' };
  const session = await openSession(address, log);
  try {
    await checkServer(session, postgres);
    if (embedded === null) await clear(session, note);
  } finally {
    await session.end();
  }
  return {
    address,
    isEmbedded: embedded !== null,
    files: join(building, 'files'),
    async finish() {
      await embedded?.stop();
      if (databaseUrl !== null) await dropNote({ url: databaseUrl }, log);
      await exchange(dataDir, building);
    },
    async abandon() {
      await embedded?.stop();
      // Half of a database is there: only another restore helps, and the notes say so.
      if (embedded !== null) await rm(building, { recursive: true, force: true });
    },
  };
}

/** Newer servers read what older ones write down of a schema; older ones need not. */
async function checkServer(session: pg.Client, postgres: number): Promise<void> {
  const { rows } = await session.query<{ major: number }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  const major = rows[0]?.major ?? 0;
  if (major >= postgres) return;
  throw incompatible(
    `The backup was made on PostgreSQL ${postgres}, and this server is ${major}: restore it on ${postgres} or later`,
  );
}

/** Empties an external database, which is StreamSpace's, and notes that a restore is under way there. */
async function clear(session: pg.Client, note: string): Promise<void> {
  await session.query('begin');
  await session.query(`do $$
    declare one record;
    begin
      for one in select c.oid::regclass as name, c.relkind from pg_class c where c.relnamespace = 'public'::regnamespace
        and c.relkind in ('r', 'p', 'v', 'm') and not exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      loop
        execute format('drop %s if exists %s cascade', case one.relkind when 'v' then 'view' when 'm' then
          'materialized view' else 'table' end, one.name);
      end loop;
      for one in select c.oid::regclass as name from pg_class c where c.relnamespace = 'public'::regnamespace
        and c.relkind = 'S'
      loop
        execute format('drop sequence if exists %s cascade', one.name);
      end loop;
      for one in select p.oid::regprocedure as name from pg_proc p where p.pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
      loop
        execute format('drop routine if exists %s cascade', one.name);
      end loop;
    end $$`);
  if ((await readNote(session)) === null) await session.query(`create table public.${NOTE_TABLE} (note text not null)`);
  await session.query(`insert into public.${NOTE_TABLE} (note) values ($1)`, [note]);
  await session.query('commit');
}

async function dropNote(address: DbAddress, log: Log): Promise<void> {
  const session = await openSession(address, log);
  try {
    await session.query(`drop table public.${NOTE_TABLE}`);
  } finally {
    await session.end();
  }
}

/** Puts what was built in the place of what was there. A crash in between leaves `restoring`, which a start notices. */
async function exchange(dataDir: string, building: string): Promise<void> {
  const replaced = join(building, 'replaced');
  await mkdir(replaced);
  for (const part of PARTS) {
    if (existsSync(join(dataDir, part))) await rename(join(dataDir, part), join(replaced, part));
  }
  for (const part of PARTS) {
    if (existsSync(join(building, part))) await rename(join(building, part), join(dataDir, part));
  }
  const folder = await open(dataDir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  await rm(building, { recursive: true, force: true });
}
