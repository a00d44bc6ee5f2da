/** What whatwg-url uses of `tr46`; its tables (220 KB) are evaluated by the first host that is not ASCII. */
type Tr46 = { toASCII(domain: string, options: object): string | null };

export const toASCII: Tr46['toASCII'] = (domain, options) => (require('tr46') as Tr46).toASCII(domain, options);
