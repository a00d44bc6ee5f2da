import { inflateSync } from 'fflate';
import packed from 'packed:tr46';
import { encodeLatin1 } from '../latin1.ts';

interface Tr46 {
  toASCII(domain: string, options: object): string | null;
}

let tables: Tr46 | null = null;

/** UTS #46 ToASCII, as whatwg-url calls it: for hosts that are not ASCII, which are rare. So its tables are packed. */
export const toASCII: Tr46['toASCII'] = (domain, options) => {
  tables ??= new Function(`${encodeLatin1(inflateSync(Uint8Array.fromBase64(packed)))};return tr46`)() as Tr46;
  return tables.toASCII(domain, options);
};
