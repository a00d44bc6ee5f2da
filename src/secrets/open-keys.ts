import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { sealingKey } from './envelope.ts';
import { addKeyRow, exclusively, type KeyRow, moveKeyRow, readKeyRow } from './key-row.ts';
import type { EnvironmentSource, FileSource, KeySource } from './key-source.ts';
import { Keyring } from './keys.ts';
import { countSealed, pluginsSealedWith, resealAll } from './sealed-tables.ts';

export interface OpenKeysDeps {
  readonly db: Db;
  readonly log: Log;
  readonly source: KeySource;
}

/**
 * Finds out which key seals, at start: finishes or undoes a rotation that a crash cut off, and seals everything again
 * when the environment brings a new key.
 *
 * @throws CodedError `secrets_unreadable` that says which key is missing and whose secrets it sealed
 */
export async function openKeys({ db, log, source }: OpenKeysDeps): Promise<Keyring> {
  const ring = new Keyring(source);
  const row = (await readKeyRow(db)) ?? (await firstRow(db, ring, source));
  const id = await keyOf(row, { db, log, source, ring });
  if (!ring.has(id)) throw await wrongKey(db, id, source);
  const sealedBy = [...(await countSealed(db)).keys()];
  if (id === row.keyId && sealedBy.every((other) => other === id)) {
    ring.use(id, beside(source));
    return ring;
  }
  const moved = await exclusively(db, async (trx, found) => {
    // Another replica may have done it meanwhile.
    const now = found ?? row;
    const target = await keyOf(now, { db, log, source, ring });
    for (const other of (await countSealed(trx)).keys()) {
      if (!ring.has(other)) throw await wrongKey(trx, other, source);
    }
    return moveTo(trx, ring, now, target);
  });
  log.info({ ...moved }, 'the secrets were sealed again');
  ring.use(moved.keyId, beside(source));
  return ring;
}

/** What a change of the key did. */
export interface Moved {
  readonly keyId: string;
  readonly previousKeyId: string;
  /** Values that were sealed again. */
  readonly values: number;
}

/** Seals everything with the key `target`, which is the key from the commit on. Within `exclusively`. */
export async function moveTo(
  trx: Trx,
  ring: Keyring,
  row: KeyRow,
  target: string,
  { actor = null, onProgress = () => undefined }: { actor?: string | null; onProgress?: (done: number) => void } = {},
): Promise<Moved> {
  const seal = ring.sealerWith(target);
  const values = await resealAll(trx, target, (place, value) => seal(place, ring.open(place, value)), onProgress);
  const moved = { keyId: target, previousKeyId: row.keyId, values };
  if (target !== row.keyId) await moveKeyRow(trx, row, target);
  await audit(trx, {
    actorKind: actor === null ? 'system' : 'user',
    actor: actor ?? 'core',
    action: target === row.keyId ? 'secrets.resealed' : 'secrets.rotated',
    target,
    detail: { previousKeyId: row.keyId, values },
  });
  return moved;
}

/** Nothing was ever sealed here: the key that there is, or a new one, is the first. */
async function firstRow(db: Db, ring: Keyring, source: KeySource): Promise<KeyRow> {
  const key = source.kind === 'environment' ? source.key : source.files.make();
  await addKeyRow(db, ring.add(key));
  const row = await readKeyRow(db);
  if (row === null) throw new Error('the table secret_key is empty');
  return row;
}

/** Id of the key that is to seal from now on. */
function keyOf(row: KeyRow, around: OpenKeysDeps & { readonly ring: Keyring }): Promise<string> | string {
  const { source } = around;
  return source.kind === 'file' ? keyOfFiles(row, { ...around, source }) : keyOfEnvironment(row, { ...around, source });
}

async function keyOfFiles(
  row: KeyRow,
  { db, log, source: { files }, ring }: OpenKeysDeps & { readonly source: FileSource; readonly ring: Keyring },
): Promise<string> {
  if (files.readNext() !== null) await settleFiles(db, files, log);
  const key = files.read();
  if (key !== null && idOf(key) === row.keyId) return row.keyId;
  return adopt(row, { db, log, ring, key: () => key ?? files.make() });
}

/**
 * Ends a rotation whose outcome only the database knows: the next key takes its place, or goes. Whoever still commits
 * that rotation (a connection of a killed core) is waited for.
 */
export async function settleFiles(db: Db, files: FileSource['files'], log: Log): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await readKeyRow(trx, 'update');
    const next = files.readNext();
    if (row === null || next === null) return;
    const key = files.read();
    if (idOf(next) === row.keyId) {
      files.promoteNext();
      log.info({ keyId: row.keyId }, 'a rotation of the key was finished');
    } else if (key !== null && idOf(key) === row.keyId) {
      files.dropNext();
      log.info({ keyId: row.keyId }, 'a rotation of the key was undone');
    }
    // Else this is another database than theirs, and no judge of them.
  });
}

async function keyOfEnvironment(
  row: KeyRow,
  { db, log, source, ring }: OpenKeysDeps & { readonly source: EnvironmentSource; readonly ring: Keyring },
): Promise<string> {
  const id = idOf(source.key);
  if (id === row.keyId) return id;
  const isPrevious = source.previous !== null && idOf(source.previous) === row.keyId;
  if (!isPrevious) return adopt(row, { db, log, ring, key: () => source.key });
  if (!row.retired.includes(id)) return id;
  // A replica that has not got the new environment yet.
  log.warn(
    { keyId: row.keyId },
    'STREAMSPACE_SECRET_KEY is a key that was rotated away, and STREAMSPACE_SECRET_KEY_PREVIOUS the one in use: swap them',
  );
  return row.keyId;
}

/** A key that the database does not know takes over where nothing is sealed; else it is not the one. */
async function adopt(
  row: KeyRow,
  { db, log, ring, key }: { db: Db; log: Log; ring: Keyring; key: () => Uint8Array },
): Promise<string> {
  if ((await countSealed(db)).size > 0) return row.keyId;
  const id = ring.add(key());
  log.info({ keyId: id, before: row.keyId }, 'nothing is sealed: another key takes over');
  return id;
}

/** The message says which of the mistakes it is. @param sealer id of the key that is not here */
async function wrongKey(on: Db | Trx, sealer: string, source: KeySource): Promise<CodedError> {
  const plugins = (await pluginsSealedWith(on, sealer)).map((name) => `"${name}"`).join(', ');
  const sealed = `the key ${sealer} sealed ${plugins === '' ? 'what is there' : `the secrets of ${plugins}`}`;
  if (source.kind === 'file') {
    const { path } = source.files;
    const file = source.files.read();
    const found = file === null ? `${path} is missing` : `${path} is the key ${idOf(file)}`;
    return unreadable(`${found}, but ${sealed}: put that key there (mode 0600), or set STREAMSPACE_SECRET_KEY to it`);
  }
  const { key, previous } = source;
  const mine = `STREAMSPACE_SECRET_KEY is the key ${idOf(key)}`;
  if (previous !== null) {
    const other = `STREAMSPACE_SECRET_KEY_PREVIOUS the key ${idOf(previous)}`;
    return unreadable(`${mine} and ${other}, but ${sealed}: set STREAMSPACE_SECRET_KEY_PREVIOUS to that one`);
  }
  const left = source.leftInFolder();
  const where = left !== null && idOf(left) === sealer ? ' (it is in DATA_DIR/secret.key)' : '';
  return unreadable(
    `${mine}, but ${sealed}: set it to that key${where}, or STREAMSPACE_SECRET_KEY_PREVIOUS to change from that key`,
  );
}

function unreadable(message: string): CodedError {
  return new CodedError('secrets_unreadable', message);
}

function beside(source: KeySource): string[] {
  return source.kind === 'environment' ? source.read().map(idOf) : [];
}

function idOf(key: Uint8Array): string {
  return sealingKey(key).id;
}
