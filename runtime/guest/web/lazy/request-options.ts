import { heavy } from '../heavy.ts';
import type { RequestOptions } from '../request-init.ts';

/** The values that the standard allows for the members of an init that have a list of them. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  credentials: ['omit', 'same-origin', 'include'],
  duplex: ['half'],
  mode: ['same-origin', 'no-cors', 'cors'],
  priority: ['high', 'low', 'auto'],
  redirect: ['follow', 'error', 'manual'],
  referrerPolicy: [
    '',
    'no-referrer',
    'no-referrer-when-downgrade',
    'same-origin',
    'origin',
    'strict-origin',
    'origin-when-cross-origin',
    'strict-origin-when-cross-origin',
    'unsafe-url',
  ],
};

/** Those that are kept; the others are checked and forgotten. */
const KEPT = [
  'cache',
  'credentials',
  'integrity',
  'keepalive',
  'mode',
  'redirect',
  'referrer',
  'referrerPolicy',
] as const;
/** What a request without CORS may do. */
const SIMPLE_METHODS = ['GET', 'HEAD', 'POST'];

/** The members of an init over those of a base. @throws TypeError for values that the standard does not know. */
export function readOptions(init: Record<string, unknown>, base: RequestOptions, method: string): RequestOptions {
  for (const [key, allowed] of Object.entries(ALLOWED)) {
    const given = init[key];
    if (given !== undefined && !allowed.includes(`${given}`))
      throw new TypeError(`"${given}" is not a value for ${key}`);
  }
  const options: Record<keyof RequestOptions, string | boolean> = { ...base };
  for (const key of KEPT) {
    const given = init[key];
    if (given !== undefined) options[key] = key === 'keepalive' ? !!given : `${given}`;
  }
  if (init.referrer !== undefined) options.referrer = readReferrer(options.referrer as string);
  if (options.mode === 'no-cors' && !SIMPLE_METHODS.includes(method)) {
    throw new TypeError(`A request without CORS cannot have the method ${method}`);
  }
  if (options.cache === 'only-if-cached' && options.mode !== 'same-origin') {
    throw new TypeError('`only-if-cached` needs the mode "same-origin"');
  }
  return options;
}

function readReferrer(referrer: string): string {
  if (referrer === '' || referrer === 'about:client') return referrer;
  const url = heavy.url().URL.parse(referrer);
  if (url === null) throw new TypeError(`The referrer "${referrer}" is not an absolute URL`);
  return url.href;
}
