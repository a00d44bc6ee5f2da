import { createHmac, timingSafeEqual } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { FILE_LIMITS } from '../../sandbox-apis/files/limits.ts';
import { decoder } from '../host/decode.ts';

/** Where signed URLs live: below no plugin's prefix. */
export const FILES_PATH = '/files/';

/** What a link says, once its signature has been checked. */
export interface FileLink {
  readonly plugin: string;
  /** Number of the installation: a plugin that was removed and installed anew does not answer for the old links. */
  readonly installation: number;
  readonly path: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly download: boolean;
}

export interface FileUrls {
  /** The URL of a link: absolute when the operator has set PUBLIC_URL, else it begins with `/`. */
  sign(link: FileLink): string;
  /** The link behind the token of a URL; null when it was not signed here, whatever else is wrong with it. */
  verify(token: string): FileLink | null;
}

const MAC_BYTES = 32;
const Payload = Type.Tuple([
  Type.String({ maxLength: 63 }),
  Type.Integer({ minimum: 0 }),
  Type.String({ minLength: 1, maxLength: FILE_LIMITS.pathBytes }),
  Type.Integer({ minimum: 0 }),
  Type.Integer({ minimum: 0, maximum: 1 }),
]);
const decodePayload = decoder(Payload);

/**
 * Signs links to files: HMAC-SHA256 over plugin, installation, path, expiry and disposition. A link names the path: it gives
 * what is there when it is used.
 *
 * @param key what signs at the moment; links that another key signed count no more
 */
export function createFileUrls(key: () => Uint8Array, publicUrl: string | null): FileUrls {
  const macOf = (payload: Uint8Array): Buffer => createHmac('sha256', key()).update(payload).digest();

  return {
    sign({ plugin, installation, path, expires, download }) {
      const payload = Buffer.from(JSON.stringify([plugin, installation, path, expires, download ? 1 : 0]));
      const token = Buffer.concat([macOf(payload), payload]).toString('base64url');
      return `${publicUrl ?? ''}${FILES_PATH}${token}`;
    },
    verify(token) {
      if (!/^[A-Za-z0-9_-]{1,4096}$/.test(token)) return null;
      const bytes = Buffer.from(token, 'base64url');
      // One spelling: base64url has bits to spare in its last character.
      if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== token) return null;
      const payload = bytes.subarray(MAC_BYTES);
      if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(payload))) return null;
      const link = decodePayload(payload.toString('utf8'));
      if (link === undefined) return null;
      const [plugin, installation, path, expires, download] = link;
      return { plugin, installation, path, expires, download: download === 1 };
    },
  };
}
