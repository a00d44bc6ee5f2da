import { AbortSignal, idleSignal, isAbortSignal } from './abort.ts';
import { extract } from './body-init.ts';
import { find, type Pair, parseFieldLines } from './header-list.ts';
import { Headers, listOf, viewHeaders } from './headers.ts';
import { tag } from './lazy.ts';
import { append } from './lists.ts';
import {
  clonePayload,
  isNone,
  isUsed,
  movePayload,
  noPayload,
  type Payload,
  readBytes,
  readJson,
  readText,
  toStream,
} from './payload.ts';
import { readBlob, readForm } from './payload-forms.ts';
import {
  checkMethod,
  checkUrl,
  defaultOptions,
  OPTION_NAMES,
  type RequestOptions,
  readOptions,
} from './request-init.ts';

/** What a Request is made of; the platform reads it without the public face, which a guest can patch. */
export interface RequestState {
  readonly method: string;
  readonly url: string;
  /** Field lines until somebody asks: most handlers never do. */
  list: Pair[] | string;
  headers: Headers | null;
  readonly payload: Payload;
  /** What has a signal stands for it, which is then made at first touch; null for one that never aborts. */
  signal: AbortSignal | { readonly signal: AbortSignal } | null;
  readonly options: RequestOptions;
}

const INTERNAL: unique symbol = Symbol('internal');

/** The state behind a Request; undefined for anything else. */
export let requestState: (value: unknown) => RequestState | undefined;
export let requestOf: (state: RequestState) => Request;

function makeState(input: unknown, init: RequestInit & { duplex?: string }): RequestState {
  const from = requestState(input);
  const url = from?.url ?? checkUrl(input);
  if (init.window !== undefined && init.window !== null) throw new TypeError('`window` of a Request can only be null');
  const method = init.method === undefined ? (from?.method ?? 'GET') : checkMethod(init.method);
  const options = readOptions(init as Record<string, unknown>, from?.options ?? defaultOptions, method);
  const signal = init.signal === undefined ? (from === undefined ? null : signalOf(from)) : init.signal;
  if (signal !== null && !isAbortSignal(signal)) throw new TypeError('`signal` of a Request is not an AbortSignal');
  const list = init.headers === undefined ? copyOf(from) : listOf(new Headers(init.headers));
  const bodyless = method === 'GET' || method === 'HEAD';
  const given = init.body !== undefined && init.body !== null;
  if (bodyless && (given || (init.body === undefined && from !== undefined && !isNone(from.payload)))) {
    throw new TypeError(`A Request with method ${method} cannot have a body`);
  }
  let payload = noPayload();
  if (given) {
    const extracted = extract(init.body);
    payload = extracted.payload;
    if (payload.stream !== null && init.duplex !== 'half') {
      throw new TypeError("A Request whose body is a stream needs `duplex: 'half'`");
    }
    if (extracted.type !== null && find(list, 'content-type') === null) append(list, ['content-type', extracted.type]);
  } else if (init.body === undefined && from !== undefined) {
    payload = movePayload(from.payload);
  }
  return {
    method,
    url,
    list,
    headers: null,
    payload,
    signal: signal === null ? null : AbortSignal.any([signal]),
    options,
  };
}

function copyOf(from: RequestState | undefined): Pair[] {
  if (from === undefined) return [];
  from.headers ??= viewHeaders(pairsOf(from), false);
  return pairsOf(from).map(([name, value]): Pair => [name, value]);
}

/** The header list of a request. */
export function pairsOf(state: RequestState): Pair[] {
  if (typeof state.list === 'string') state.list = parseFieldLines(state.list);
  return state.list;
}

/** The signal of a request, made when there was none yet. */
function signalOf(state: RequestState): AbortSignal {
  const { signal } = state;
  if (isAbortSignal(signal)) return signal;
  const made = signal === null ? idleSignal() : signal.signal;
  state.signal = made;
  return made;
}

/** `Request` of the Fetch standard. */
export class Request {
  #state: RequestState;

  constructor(input: unknown, init?: RequestInit | typeof INTERNAL) {
    if (init === INTERNAL) this.#state = input as RequestState;
    else this.#state = makeState(input, init ?? {});
  }

  static {
    requestState = (value) =>
      typeof value === 'object' && value !== null && #state in value ? (value as Request).#state : undefined;
    requestOf = (state) => new Request(state, INTERNAL);
  }

  get method(): string {
    return this.#state.method;
  }
  get url(): string {
    return this.#state.url;
  }
  get headers(): Headers {
    const state = this.#state;
    state.headers ??= viewHeaders(pairsOf(state), false);
    return state.headers;
  }
  get signal(): AbortSignal {
    return signalOf(this.#state);
  }
  get body(): ReadableStream<Uint8Array> | null {
    return toStream(this.#state.payload);
  }
  get bodyUsed(): boolean {
    return isUsed(this.#state.payload);
  }
  get duplex(): 'half' {
    return 'half';
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

  clone(): Request {
    const state = this.#state;
    const payload = clonePayload(state.payload);
    const signal = AbortSignal.any([signalOf(state)]);
    return new Request({ ...state, list: copyOf(state), headers: null, payload, signal }, INTERNAL);
  }

  static {
    for (const key of OPTION_NAMES) {
      const get = {
        get(this: Request) {
          return this.#state.options[key];
        },
      };
      const descriptor = Object.getOwnPropertyDescriptor(get, 'get') as PropertyDescriptor;
      Object.defineProperty(Request.prototype, key, { get: descriptor.value, configurable: true });
    }
  }
}
tag(Request.prototype, 'Request');
