import { isToken } from './header-list.ts';
import { heavy } from './heavy.ts';
import { StringToUpperCase } from './intrinsics.ts';

/** Members that are kept and shown; outside a browser only `redirect` has an effect. */
const DEFAULTS = {
  cache: 'default',
  credentials: 'same-origin',
  destination: '',
  integrity: '',
  keepalive: false,
  mode: 'cors',
  redirect: 'follow',
  referrer: 'about:client',
  referrerPolicy: '',
} as const;

export type RequestOptions = Readonly<Record<keyof typeof DEFAULTS, string | boolean>>;

export const defaultOptions: RequestOptions = DEFAULTS;
export const OPTION_NAMES = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

/** The values that the standard allows for the members that have a list of them. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  credentials: ['omit', 'same-origin', 'include'],
  mode: ['same-origin', 'no-cors', 'cors'],
  redirect: ['follow', 'error', 'manual'],
};

const FORBIDDEN_METHODS = ['CONNECT', 'TRACE', 'TRACK'];
/** Those that are made upper-case; any other keeps its case (so that `patch` is not PATCH, as in browsers). */
const NORMALIZED_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];

/** @throws TypeError when it is no method or one that a script may not send. */
export function checkMethod(method: unknown): string {
  const text = `${method}`;
  const upper = StringToUpperCase(text);
  if (!isToken(text)) throw new TypeError(`"${text}" is not an HTTP method`);
  if (FORBIDDEN_METHODS.includes(upper)) throw new TypeError(`The method ${upper} is not allowed`);
  return NORMALIZED_METHODS.includes(upper) ? upper : text;
}

/** @throws TypeError when it is not an absolute URL, or one with a user or password. */
export function checkUrl(input: unknown): string {
  const { URL } = heavy.url();
  const url = URL.parse(`${input}`);
  if (url === null) throw new TypeError(`"${input}" is not an absolute URL`);
  if (url.username !== '' || url.password !== '') throw new TypeError('The URL of a Request has no user or password');
  return url.href;
}

/** The members of an init over those of a base. @throws TypeError for values that the standard does not know. */
export function readOptions(init: Record<string, unknown>, base: RequestOptions): RequestOptions {
  let options = base;
  for (const key of OPTION_NAMES) {
    const given = init[key];
    if (given === undefined || key === 'destination') continue;
    const value = key === 'keepalive' ? !!given : `${given}`;
    if (ALLOWED[key]?.includes(value as string) === false) throw new TypeError(`"${value}" is not a value for ${key}`);
    options = { ...options, [key]: value };
  }
  return options;
}
