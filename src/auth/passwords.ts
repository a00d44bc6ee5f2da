import { randomBytes } from 'node:crypto';

/**
 * argon2id by the OWASP password storage recommendation (m = 19 MiB, t = 2, p = 1): about 25 ms here, so that a login is
 * not felt, while 19 MiB a guess keeps graphics cards from trying many at once. Costs are in the hash, so that raising
 * them later keeps old hashes valid.
 */
const ARGON2 = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const;

/** Shortest password that a user may choose: NIST SP 800-63B, 5.1.1.2. */
export const PASSWORD_MIN_LENGTH = 8;
/** Long enough for any passphrase; bounded so that hashing stays cheap. */
export const PASSWORD_MAX_LENGTH = 1024;

/** Hashes a password (off the main thread); answers the PHC string to store. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, ARGON2);
}

/** A password for one use: 144 random bits in base64url, 24 characters. */
export function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}

/** Whether a password matches a stored hash; null stands for an unknown user. */
export type PasswordCheck = (password: string, hash: string | null) => Promise<boolean>;

/**
 * Makes a check that does the same work for unknown users, against a decoy that nothing matches, so that the time taken
 * does not tell which emails exist.
 */
export function createPasswordCheck(): PasswordCheck {
  const decoy = hashPassword(randomPassword());
  return async (password, hash) => {
    const matches = await Bun.password.verify(password, hash ?? (await decoy));
    return matches && hash !== null;
  };
}
