import { encodeLatin1 } from '../latin1.ts';

interface Tr46 {
  toASCII(domain: string, options: object): string | null;
}

let tr46: Tr46 | null = null;

/** Unpacks tr46 with its tables (made by src/host/prelude.ts). */
function unpack(): Tr46 {
  const { inflateSync } = require('./inflate.ts') as typeof import('./inflate.ts');
  const packed = require('packed:tr46') as string;
  const script = encodeLatin1(inflateSync(Uint8Array.fromBase64(packed)));
  return new Function(`${script};return tr46`)() as Tr46;
}

/** UTS #46 ToASCII, as whatwg-url calls it: for hosts that are not ASCII, which are rare. */
export const toASCII: Tr46['toASCII'] = (domain, options) => {
  tr46 ??= unpack();
  return tr46.toASCII(domain, options);
};
