import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import { deriveKey, open, type SealedValue, type SealingKey, type SecretPlace, seal, sealingKey } from './envelope.ts';
import { readKeyRow } from './key-row.ts';
import type { KeySource } from './key-source.ts';

/** Seals, opens and derives under the key of the instance, and under those that it is changed from and to. */
export interface Keys {
  /** Names the key that seals, and tells nothing of it. */
  readonly id: string;
  /**
   * Call it in a transaction that writes a sealed value, or copies one as it is, before that: the key does not change
   * until the transaction ends.
   *
   * @returns id of the key
   */
  hold(trx: Trx): Promise<string>;
  /** `hold`, and what seals with that key. @throws CodedError `secrets_unreadable` when this process has not got it */
  sealer(trx: Trx): Promise<(place: SecretPlace, secret: string) => SealedValue>;
  /** @throws CodedError `secrets_unreadable`: sealed with a key that is not here, for another place, or damaged */
  open(place: SecretPlace, value: SealedValue): string;
  /**
   * A key for one end, such as to sign. It is another one after a rotation, so do not keep it: what was signed before
   * counts no more.
   */
  derive(use: string, bytes?: number): Buffer;
  /** Learns whether another process changed the key: ask when something derived from it is not taken. */
  refresh(db: Db): Promise<void>;
}

interface Held {
  readonly master: Uint8Array;
  readonly sealing: SealingKey;
}

/** The keys that this process has, by id; the database says which of them seals. */
export class Keyring implements Keys {
  readonly #held = new Map<string, Held>();
  readonly #source: KeySource;
  #id = '';

  constructor(source: KeySource) {
    this.#source = source;
    this.#readAgain();
  }

  get id(): string {
    return this.#id;
  }

  /** Takes a key in. @returns its id */
  add(master: Uint8Array): string {
    const sealing = sealingKey(master);
    if (!this.#held.has(sealing.id)) this.#held.set(sealing.id, { master, sealing });
    return sealing.id;
  }

  has(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** Makes one that it has the one that signs; the others but `beside` are forgotten. */
  use(id: string, beside: readonly string[] = []): void {
    if (!this.has(id)) throw missing(id, 'what is sealed');
    this.#id = id;
    for (const held of this.#held.keys()) if (held !== id && !beside.includes(held)) this.#held.delete(held);
  }

  async refresh(db: Db): Promise<void> {
    const row = await readKeyRow(db);
    if (row !== null && row.keyId !== this.#id && this.has(row.keyId)) this.#id = row.keyId;
  }

  async hold(trx: Trx): Promise<string> {
    const row = await readKeyRow(trx, 'share');
    if (row === null) throw new Error('the table secret_key is empty: the keys were not opened on this database');
    return row.keyId;
  }

  async sealer(trx: Trx): Promise<(place: SecretPlace, secret: string) => SealedValue> {
    const id = await this.hold(trx);
    return this.sealerWith(id);
  }

  /** Seals with a certain key. @throws CodedError `secrets_unreadable` when it is not here */
  sealerWith(id: string): (place: SecretPlace, secret: string) => SealedValue {
    const held = this.#find(id);
    if (held === undefined) throw missing(id, 'what is sealed');
    return (place, secret) => ({ sealed: seal(held.sealing, place, secret), key_id: id });
  }

  open(place: SecretPlace, { sealed, key_id: id }: SealedValue): string {
    const what = `the secret "${place.name}" of plugin "${place.plugin}"`;
    const held = this.#find(id);
    if (held === undefined) throw missing(id, what);
    try {
      return open(held.sealing, place, sealed);
    } catch (cause) {
      const message = `${what[0]?.toUpperCase()}${what.slice(1)} is damaged: enter it again`;
      throw Object.assign(new CodedError('secrets_unreadable', message), { cause });
    }
  }

  derive(use: string, bytes = 32): Buffer {
    const held = this.#find(this.#id);
    if (held === undefined) throw missing(this.#id, 'what is signed');
    return deriveKey(held.master, use, bytes);
  }

  /** Another process may have changed the key since it was read. */
  #find(id: string): Held | undefined {
    if (!this.#held.has(id)) this.#readAgain();
    return this.#held.get(id);
  }

  #readAgain(): void {
    for (const master of this.#source.read()) this.add(master);
  }
}

/** @param what is sealed with a key that nobody here has */
export function missing(id: string, what: string): CodedError {
  return new CodedError(
    'secrets_unreadable',
    `The key ${id} sealed ${what}, and it is not here. Start with that key: in DATA_DIR/secret.key, or as STREAMSPACE_SECRET_KEY or STREAMSPACE_SECRET_KEY_PREVIOUS; or enter the secrets again`,
  );
}
