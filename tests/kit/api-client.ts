import { EventSourceParserStream } from 'eventsource-parser/stream';

export interface ApiOptions {
  /** A string or bytes go as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bearer token; the admin's when absent, none when null. */
  readonly token?: string | null;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly body: any;
}

export interface Api {
  /** Bearer token of the admin. */
  readonly token: string;
  /** Calls the REST API; answers whatever status there is. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** The same as the admin, with a JSON body and a typed answer. */
  call<T>(method: string, path: string, json?: unknown): Promise<{ status: number; body: T }>;
  /** Makes an account and signs it in; answers its token. */
  signUp(email: string, role?: 'user' | 'admin', permissions?: readonly string[]): Promise<string>;
  /** Resolves with the first line of the plugin's log, kept or coming, that holds `text`. */
  logged(plugin: string, text: string): Promise<string>;
}

const USER_PASSWORD = 'a password of a user';
/** Milliseconds until a line has to be in a plugin's log. */
const LOG_MS = 10_000;

/** A client of the REST API, signed in as the admin. */
export async function apiClient(url: string, admin: { email: string; password: string }): Promise<Api> {
  const signIn = async (account: { email: string; password: string }): Promise<string> => {
    const { email, password } = account;
    const { status, body } = await api('POST', '/api/auth/login', { body: { email, password }, token: null });
    if (status !== 200) throw new Error(`signing in as ${email} answers ${status}`);
    return (body as { token: string }).token;
  };
  let token: string | null = null;

  async function api(method: string, path: string, options: ApiOptions = {}): Promise<ApiAnswer> {
    const { body, headers = {} } = options;
    const bearer = options.token === undefined ? token : options.token;
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(raw ? {} : { 'content-type': 'application/json' }),
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  const adminToken = await signIn(admin);
  token = adminToken;
  return {
    token: adminToken,
    api,
    async call<T>(method: string, path: string, json?: unknown) {
      const { status, body } = await api(method, path, json === undefined ? {} : { body: json });
      return { status, body: body as T };
    },
    async signUp(email, role = 'user', permissions = []) {
      const account = { email, name: email, role, permissions, password: USER_PASSWORD };
      const { status, body } = await api('POST', '/api/users', { body: account });
      if (status !== 201) throw new Error(`making ${email} answers ${status}: ${JSON.stringify(body)}`);
      return signIn(account);
    },
    async logged(plugin, text) {
      const stream = await fetch(`${url}/api/plugins/${plugin}/logs?limit=1000`, {
        headers: { authorization: `Bearer ${adminToken}` },
        signal: AbortSignal.timeout(LOG_MS),
      });
      if (!stream.ok || stream.body === null) throw new Error(`the log of ${plugin} answers ${stream.status}`);
      const events = stream.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      for await (const { data } of events) if (data.includes(text)) return data;
      throw new Error(`the log of ${plugin} ended without "${text}"`);
    },
  };
}
