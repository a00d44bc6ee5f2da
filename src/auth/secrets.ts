import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Marks API tokens, so that secret scanners and people tell them from session tokens. */
export const API_TOKEN_PREFIX = 'ss_';
const SECRET_PATTERN = /^(ss_)?[A-Za-z0-9_-]{43}$/;

/** A session token: 32 random bytes as base64url. */
export function newSessionToken(): string {
  return randomBytes(32).toString('base64url');
}

/** An API token: `ss_` and 32 random bytes as base64url. */
export function newApiToken(): string {
  return API_TOKEN_PREFIX + newSessionToken();
}

/** Which kind of secret this looks like, or null when it can be neither and needs no look-up. */
export function secretKind(secret: string): 'session' | 'token' | null {
  if (!SECRET_PATTERN.test(secret)) return null;
  return secret.length === 43 ? 'session' : 'token';
}

/**
 * What is stored in place of a token. Plain SHA-256 is enough for 256 random bits (nothing to guess), and unlike a slow
 * hash it can be looked up by.
 */
export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** The same hash as text, to remember by: one native call, on the way of every request. */
export function secretKey(secret: string): string {
  return hash('sha256', secret, 'base64');
}

/** The CSRF token of a session: derived from its secret, so that it needs no storage and ends with the session. */
export function csrfTokenOf(sessionToken: string): string {
  return createHmac('sha256', sessionToken).update('streamspace csrf').digest('base64url');
}

/** Compares two strings without telling by time where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
