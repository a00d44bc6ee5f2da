import { loaded } from '../loaded.ts';
import { exposeInterface } from './members.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** A key as the host tells of it. */
export interface KeyDetails {
  readonly type: 'secret' | 'public' | 'private';
  readonly extractable: boolean;
  readonly algorithm: Readonly<Record<string, unknown>>;
  readonly usages: readonly string[];
  /** The key itself, which only the host can open. */
  readonly sealed: string;
}

/** The sealed text of a CryptoKey. @throws TypeError for anything else */
export let keyText: (value: unknown, what: string) => string;

/** `CryptoKey`: what a guest may know of a key. What it may do with it is for the host to say. */
export class CryptoKey {
  readonly #details: KeyDetails;
  readonly #algorithm: Record<string, unknown>;
  readonly #usages: string[];

  constructor(...given: readonly unknown[]) {
    const [token, made] = given;
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
    const details = made as KeyDetails;
    this.#details = details;
    this.#algorithm = algorithmOf(details.algorithm);
    this.#usages = [...details.usages];
  }

  static {
    keyText = (value, what) => {
      if (typeof value !== 'object' || value === null || !(#details in value)) {
        throw new TypeError(`${what} is not a CryptoKey`);
      }
      return value.#details.sealed;
    };
    loaded.cryptoKey = {
      copyOf: (value) => (#details in value ? new CryptoKey(INTERNAL, (value as CryptoKey).#details) : null),
    };
  }

  get type(): string {
    return this.#details.type;
  }

  get extractable(): boolean {
    return this.#details.extractable;
  }

  get algorithm(): Record<string, unknown> {
    return this.#algorithm;
  }

  get usages(): string[] {
    return this.#usages;
  }
}
exposeInterface(CryptoKey, 'CryptoKey');

function algorithmOf({ publicExponent, ...rest }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const hash = rest.hash === undefined ? {} : { hash: { ...(rest.hash as object) } };
  const exponent = publicExponent === undefined ? {} : { publicExponent: new Uint8Array(publicExponent as number[]) };
  return { ...rest, ...exponent, ...hash };
}

/** A CryptoKey of what the host told. */
export function makeKey(details: KeyDetails): CryptoKey {
  return new CryptoKey(INTERNAL, details);
}
