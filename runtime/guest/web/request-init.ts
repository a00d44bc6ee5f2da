import { isToken } from './header-list.ts';
import { heavy } from './heavy.ts';
import { StringToUpperCase } from './intrinsics.ts';

/** Members that are kept and shown; outside a browser only `redirect` has an effect. */
const DEFAULTS = {
  cache: 'default',
  credentials: 'same-origin',
  destination: '',
  integrity: '',
  isHistoryNavigation: false,
  isReloadNavigation: false,
  keepalive: false,
  mode: 'cors',
  redirect: 'follow',
  referrer: 'about:client',
  referrerPolicy: '',
} as const;

export type RequestOptions = Readonly<Record<keyof typeof DEFAULTS, string | boolean>>;

export const defaultOptions: RequestOptions = DEFAULTS;
export const OPTION_NAMES = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];

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

/** Members of an init that are looked at by a part of their own: most requests have none of them. */
const CHECKED = [...OPTION_NAMES, 'duplex', 'priority'] as const;

/** The members of an init over those of a base. @throws TypeError for values that the standard does not know. */
export function readOptions(init: Record<string, unknown>, base: RequestOptions, method: string): RequestOptions {
  for (let i = 0; i < CHECKED.length; i++) {
    if (init[CHECKED[i] as string] !== undefined) return heavy.requestOptions().readOptions(init, base, method);
  }
  return base;
}
