import { join, resolve } from 'node:path';
import { type Children, isolateHostOf } from './processes.ts';

const ENTRY = resolve(import.meta.dir, '../src/main.ts');
const ADMIN = { email: 'admin@localhost', password: 'a password of the bench' };
const MEMBER = { email: 'member@localhost', password: 'another password of the bench' };
/** Permission that the measured endpoints demand of who calls them. */
export const PERMISSION = 'bench:read';
const READY_MS = 60_000;
/** Of its log that are shown when it ends by itself. */
const LAST_LINES = 8;

export interface Folders {
  /** Data folder of the core; what is there is used again. */
  readonly data: string;
  /** Watched for plugins; '' for none. */
  readonly plugins: string;
}

/** A line of the core's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** The whole product, started as an operator starts it, and its REST API. */
export class Product {
  readonly url: string;
  readonly port: number;
  readonly corePid: number;
  /** Milliseconds from the start of the process to its ready line. */
  readonly readyMs: number;
  /** Sees each line of the log. */
  onLog: ((line: LogLine) => void) | null = null;
  /** Told when the core ends and nobody has stopped it. */
  onEnd: ((why: string) => void) | null = null;
  #token = '';
  readonly #stop: () => Promise<void>;

  private constructor(url: string, pid: number, readyMs: number, stop: () => Promise<void>) {
    this.url = url;
    this.port = Number(new URL(url).port);
    this.corePid = pid;
    this.readyMs = readyMs;
    this.#stop = stop;
  }

  /** @throws Error with the end of its log when the core does not come up in `readyMs` */
  static async start(
    children: Children,
    folders: Folders,
    { env = {}, readyMs = READY_MS }: { env?: Readonly<Record<string, string>>; readyMs?: number } = {},
  ): Promise<Product> {
    const begun = performance.now();
    const child = children.add(
      Bun.spawn([process.execPath, ENTRY], {
        cwd: join(folders.data, '..'),
        env: {
          PATH: process.env.PATH ?? '',
          HOME: join(folders.data, '..'),
          PORT: '0',
          DATA_DIR: folders.data,
          PLUGIN_DIRS: folders.plugins,
          STREAMSPACE_ADMIN_EMAIL: ADMIN.email,
          STREAMSPACE_ADMIN_PASSWORD: ADMIN.password,
          ...env,
        },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'inherit',
      }),
    );
    const ready = Promise.withResolvers<string>();
    const timer = setTimeout(() => ready.reject(new Error(`the core was not ready after ${readyMs} ms`)), readyMs);
    let product: Product | null = null;
    const tail: string[] = [];
    const read = async (): Promise<void> => {
      for await (const text of lines(child.stdout)) {
        const line = parseLine(text);
        if (line.event === 'ready') ready.resolve(String(line.url));
        product?.onLog?.(line);
        if (tail.push(text) > LAST_LINES) tail.shift();
      }
      ready.reject(new Error(`the core ended before it was ready:\n${tail.join('\n')}`));
    };
    read().catch(ready.reject);
    try {
      const url = await ready.promise;
      const running = new Product(url, child.pid, performance.now() - begun, () => children.stop(child));
      product = running;
      void child.exited.then((code) =>
        running.onEnd?.(`the core ended with ${child.signalCode ?? code}; its last lines:\n${tail.join('\n')}`),
      );
      return running;
    } catch (error) {
      await children.stop(child);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Looked up each time: a host that died is replaced. */
  get hostPid(): number | null {
    return isolateHostOf(this.corePid);
  }

  stop(): Promise<void> {
    this.onEnd = null;
    return this.#stop();
  }

  /** Signs in as the admin, whom `call` then acts for. */
  async signIn(): Promise<void> {
    this.#token = await this.#login(ADMIN);
  }

  /** Makes a user who holds PERMISSION and no more. Answers that user's bearer token. */
  async makeMember(): Promise<string> {
    await this.call('POST', '/api/users', { ...MEMBER, name: 'Member', role: 'user', permissions: [PERMISSION] });
    return this.#login(MEMBER);
  }

  /**
   * A request of the admin; an object goes as JSON, bytes as a package.
   *
   * @throws Error unless the answer is a 2xx
   */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const isPackage = body instanceof Uint8Array;
    const headers = new Headers({ authorization: `Bearer ${this.#token}` });
    if (body !== undefined) headers.set('content-type', isPackage ? 'application/gzip' : 'application/json');
    const response = await fetch(this.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: isPackage ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** Installs a package with all that it asks for. */
  async install(archive: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.call('POST', '/api/plugins/install?grants=all', archive);
  }

  async #login(account: { email: string; password: string }): Promise<string> {
    const { token } = (await this.call('POST', '/api/auth/login', account)) as { token: string };
    return token;
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

function parseLine(text: string): LogLine {
  return text.startsWith('{') ? (JSON.parse(text) as LogLine) : {};
}
