import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Keys } from '../secrets/keys.ts';

const BYTES = 32;
/** As Postgres counts by default. The password is random enough for one, but pg takes a server that asks for few for a fake. */
const ITERATIONS = 4_096;
const SALT_BYTES = 16;

/**
 * Password of a plugin's role: derived from the key of the instance, so that it is stored nowhere and each replica knows
 * it. After a rotation of the key it is another one; the core then gives the role that one (`repairRole`).
 */
export function rolePassword(keys: Pick<Keys, 'derive'>, role: string): string {
  return keys.derive(`plugin database ${role}`, BYTES).toString('base64url');
}

/** What Postgres keeps of a password (RFC 5803): given this, it never sees the password, nor does its log. */
export function scramVerifier(password: string): string {
  const salt = randomBytes(SALT_BYTES);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, BYTES, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
