import * as wrapper from 'whatwg-url/lib/URLSearchParams.js';
import { URLSearchParams as Params, URL as UrlRecord } from 'whatwg-url/webidl2js-wrapper.js';
import { loaded } from '../loaded.ts';

const scope = { Array, Object, Promise, TypeError } as unknown as typeof globalThis;
Params.install(scope, ['Window']);
UrlRecord.install(scope, ['Window']);

export const { URL, URLSearchParams } = scope;

loaded.url = { isSearchParams: (value) => wrapper.is(value) };
