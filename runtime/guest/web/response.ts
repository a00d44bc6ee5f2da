import { assertSize } from '../../../sandbox-apis/_kit/json.ts';
import { extract, MAX_TEXT } from './body-init.ts';
import { find, type Pair } from './header-list.ts';
import { Headers, listOf, viewHeaders } from './headers.ts';
import { heavy } from './heavy.ts';
import { JsonStringify, StringCharCodeAt } from './intrinsics.ts';
import { tag } from './lazy.ts';
import { append } from './lists.ts';
import {
  clonePayload,
  isNone,
  isUsed,
  noPayload,
  type Payload,
  readBytes,
  readJson,
  readText,
  textPayload,
  toStream,
} from './payload.ts';
import { readBlob, readForm } from './payload-forms.ts';

/** What a Response is made of; the platform reads it without the public face, which a guest can patch. */
export interface ResponseState {
  readonly status: number;
  readonly statusText: string;
  readonly list: Pair[];
  headers: Headers | null;
  readonly payload: Payload;
  readonly type: ResponseType;
  readonly url: string;
  readonly redirected: boolean;
  /** Whether the headers may not be changed: of what the network answered. */
  readonly immutable: boolean;
}

const INTERNAL: unique symbol = Symbol('internal');
const REDIRECTS = [301, 302, 303, 307, 308];

/** The state behind a Response; undefined for anything else. */
export let responseState: (value: unknown) => ResponseState | undefined;
export let responseOf: (state: ResponseState) => Response;

/** Statuses that have no body. */
export const isBodyless = (status: number): boolean =>
  status === 204 || status === 205 || status === 304 || status === 101;

/** @throws RangeError or TypeError for what an answer cannot have. */
function readInit(init: ResponseInit | undefined): { status: number; statusText: string } {
  const status = init?.status === undefined ? 200 : Number(init.status);
  const whole = Math.trunc(status) & 0xffff;
  if (whole < 200 || whole > 599) throw new RangeError(`The status ${String(init?.status)} is not within 200 to 599`);
  const statusText = init?.statusText === undefined ? '' : `${init.statusText}`;
  for (let i = 0; i < statusText.length; i++) {
    const code = StringCharCodeAt(statusText, i);
    if (code > 255 || code === 127 || (code < 32 && code !== 9)) throw new TypeError('The status text is not valid');
  }
  return { status: whole, statusText };
}

function stateOf(init: ResponseInit | undefined, payload: Payload, type: string | null): ResponseState {
  if (init === undefined || init === null)
    return makeState(200, '', type === null ? [] : [['content-type', type]], payload);
  if (typeof init !== 'object' && typeof init !== 'function')
    throw new TypeError('The init of a Response is not an object');
  const { status, statusText } = readInit(init);
  const headers = init.headers === undefined ? null : new Headers(init.headers);
  const list = headers === null ? [] : listOf(headers);
  if (type !== null && find(list, 'content-type') === null) append(list, ['content-type', type]);
  if (isBodyless(status) && !isNone(payload))
    throw new TypeError(`A Response with status ${status} cannot have a body`);
  return makeState(status, statusText, list, payload);
}

function makeState(status: number, statusText: string, list: Pair[], payload: Payload): ResponseState {
  return {
    status,
    statusText,
    list,
    headers: null,
    payload,
    type: 'default',
    url: '',
    redirected: false,
    immutable: false,
  };
}

/** `Response` of the Fetch standard. */
export class Response {
  #state: ResponseState;

  constructor(body?: unknown, init?: ResponseInit | typeof INTERNAL) {
    if (init === INTERNAL) {
      this.#state = body as ResponseState;
    } else if (body === null || body === undefined) {
      this.#state = stateOf(init, noPayload(), null);
    } else {
      const { payload, type } = extract(body);
      this.#state = stateOf(init, payload, type);
    }
  }

  static {
    responseState = (value) =>
      typeof value === 'object' && value !== null && #state in value ? (value as Response).#state : undefined;
    responseOf = (state) => new Response(state, INTERNAL);
  }

  /** An answer of a value as JSON. */
  static json(value: unknown, init?: ResponseInit): Response {
    assertSize(value, MAX_TEXT);
    const text = JsonStringify(value) as string | undefined;
    if (text === undefined) throw new TypeError('The value has no JSON form');
    return new Response(stateOf(init, textPayload(text), 'application/json'), INTERNAL);
  }

  /** A network error. */
  static error(): Response {
    return new Response({ ...makeState(0, '', [], noPayload()), type: 'error', immutable: true }, INTERNAL);
  }

  /** An answer that sends the client to another address, which has to be absolute: a plugin has no base URL. */
  static redirect(url: string | URL, status = 302): Response {
    const { URL } = heavy.url();
    const location = URL.parse(`${url}`);
    if (location === null) throw new TypeError(`"${url}" is not an absolute URL`);
    if (!REDIRECTS.includes(status)) throw new RangeError(`${status} is not the status of a redirect`);
    const state = makeState(status, '', [['location', location.href]], noPayload());
    return new Response({ ...state, immutable: true }, INTERNAL);
  }

  get type(): ResponseType {
    return this.#state.type;
  }
  get url(): string {
    return this.#state.url;
  }
  get redirected(): boolean {
    return this.#state.redirected;
  }
  get status(): number {
    return this.#state.status;
  }
  get ok(): boolean {
    return this.#state.status >= 200 && this.#state.status <= 299;
  }
  get statusText(): string {
    return this.#state.statusText;
  }
  get headers(): Headers {
    const state = this.#state;
    state.headers ??= viewHeaders(state.list, state.immutable);
    return state.headers;
  }
  get body(): ReadableStream<Uint8Array> | null {
    return toStream(this.#state.payload);
  }
  get bodyUsed(): boolean {
    return isUsed(this.#state.payload);
  }

  text(): Promise<string> {
    return readText(this.#state.payload);
  }
  json(): Promise<unknown> {
    return readJson(this.#state.payload);
  }
  bytes(): Promise<Uint8Array> {
    return readBytes(this.#state.payload);
  }
  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await readBytes(this.#state.payload)).buffer;
  }
  blob(): Promise<Blob> {
    return readBlob(this.#state.payload, this.headers.get('content-type'));
  }
  formData(): Promise<FormData> {
    return readForm(this.#state.payload, this.headers.get('content-type'));
  }

  clone(): Response {
    const state = this.#state;
    const list = listOf(this.headers).map(([name, value]): Pair => [name, value]);
    return new Response({ ...state, list, headers: null, payload: clonePayload(state.payload) }, INTERNAL);
  }
}
tag(Response.prototype, 'Response');
