import { type GuestHost, settle } from '../_kit/guest.ts';
import type * as api from './guest.ts';
import { readAddress, readOptions, type SocketPlan } from './guest-input.ts';
import { Outbox } from './guest-outbox.ts';
import { asSocketError, isReset, SocketError } from './socket-error.ts';

export interface SocketEnv {
  readonly host: GuestHost;
  readonly ReadableStream: typeof ReadableStream;
  readonly WritableStream: typeof WritableStream;
  readonly encode: (text: string) => Uint8Array;
}

/** The core's answer to `connect.open` and, with the id that is known, to `connect.startTls`. */
interface Connected {
  readonly socket: number;
  readonly stream: number;
  readonly alpn: string | null;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** @throws SocketError for an address or option that is not valid */
export function openSocket(env: SocketEnv, address: unknown, options: unknown): api.Socket {
  const { hostname, port } = readAddress(address);
  const plan = readOptions(options, `${hostname}:${port}`);
  const { secureTransport, allowHalfOpen, sni, alpn } = plan;
  return new Socket(KEY, env, plan, () =>
    env.host.call<Connected>('connect.open', { hostname, port, secureTransport, allowHalfOpen, sni, alpn }),
  );
}

/** Only this file makes sockets. */
const KEY = {};

class Socket implements api.Socket {
  readonly #env: SocketEnv;
  readonly #plan: SocketPlan;
  readonly #opened = deferred<api.SocketInfo>();
  readonly #closed = deferred<void>();
  readonly #wire = deferred<Connected>();
  readonly #outbox: Outbox;
  readonly #readable: ReadableStream<Uint8Array>;
  readonly #writable: WritableStream<Uint8Array | ArrayBuffer | ArrayBufferView | string>;
  #in!: ReadableStreamDefaultController<Uint8Array>;
  #out!: WritableStreamDefaultController;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** Closed, failed or upgraded: nothing more happens. */
  #over = false;
  /** The readable has ended, by the peer or by `cancel`. */
  #inDone = false;
  #peerEnded = false;
  #selfEnded = false;
  #upgraded = false;

  constructor(key: object, env: SocketEnv, plan: SocketPlan, dial: () => Promise<Connected>) {
    if (key !== KEY) throw new TypeError('Illegal constructor');
    this.#env = env;
    this.#plan = plan;
    const gone = () => new SocketError('the connection is closed');
    const onCancel = (): void => {
      this.#out.error(gone());
      void settle(this.#readRest(), noop, noop);
    };
    this.#outbox = new Outbox(env.ReadableStream, onCancel, gone);
    this.#readable = new env.ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#in = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => {
          this.#inDone = true;
          return this.#reader?.cancel(reason);
        },
      },
      // One ahead: that the peer has ended or failed is noticed though nobody reads.
      { highWaterMark: 1 },
    );
    this.#writable = new env.WritableStream({
      start: (controller) => {
        this.#out = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => {
        this.#selfEnded = true;
        this.#outbox.end();
        if (this.#peerEnded && !this.#over) this.#finish();
      },
      abort: (reason) => this.#outbox.fail(reason),
    });
    void settle(
      dial(),
      (answer) => this.#connected(answer),
      (error) => this.#fail(error),
    );
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }

  get opened() {
    return this.#opened.promise;
  }

  get closed() {
    return this.#closed.promise;
  }

  get upgraded() {
    return this.#upgraded;
  }

  get secureTransport() {
    return this.#plan.secureTransport;
  }

  close(reason?: unknown): Promise<void> {
    if (!this.#over) {
      this.#opened.reject(reason ?? new SocketError('the socket was closed before it was open'));
      this.#endReadable();
      this.#out.error(reason ?? new SocketError('the socket was closed'));
      this.#outbox.end();
      this.#finish();
      if (this.#reader !== null) void settle(this.#reader.cancel(), noop, noop);
    }
    return this.#closed.promise;
  }

  startTls(options?: { readonly expectedServerHostname?: string }): api.Socket {
    if (this.#plan.secureTransport !== 'starttls') {
      throw new SocketError("startTls needs a socket that was opened with secureTransport: 'starttls'");
    }
    if (this.#over) throw new SocketError(this.#upgraded ? 'the socket is upgraded already' : 'the socket is closed');
    const { sni } = readOptions(
      { secureTransport: 'on', sni: options?.expectedServerHostname ?? null },
      this.#plan.remoteAddress,
    );
    this.#upgraded = true;
    this.#endReadable();
    this.#out.error(new SocketError('the socket was upgraded: use the one that startTls answered'));
    this.#finish();
    const plan: SocketPlan = { ...this.#plan, secureTransport: 'on' };
    return new Socket(KEY, this.#env, plan, async () => {
      const { socket } = await this.#wire.promise;
      const asked = this.#env.host.call<Omit<Connected, 'socket'>>('connect.startTls', { socket, sni });
      // Only now, or the core would take their end for that of the connection.
      this.#outbox.end();
      void settle(this.#drain(), noop, noop);
      return { ...(await asked), socket };
    });
  }

  #connected(answer: Connected): void {
    const { host } = this.#env;
    const reader = host.readStream(answer.stream).getReader();
    this.#wire.resolve(answer);
    if (this.#over && !this.#upgraded) {
      void settle(reader.cancel(), noop, noop);
      return;
    }
    this.#reader = reader;
    if (!this.#upgraded) {
      const stream = host.writeStream(this.#outbox.stream);
      void settle(host.call('connect.attach', { socket: answer.socket, stream }), noop, (error) => this.#fail(error));
    }
    this.#opened.resolve({ remoteAddress: this.#plan.remoteAddress, localAddress: null, alpn: answer.alpn });
  }

  async #pull(): Promise<void> {
    await this.#opened.promise;
    await this.#take();
  }

  /** The core has closed the connection: why is behind what it sent before, which is no more than its window. */
  async #readRest(): Promise<void> {
    while (await this.#take());
  }

  /** Reads once; answers whether there may be more. */
  async #take(): Promise<boolean> {
    if (this.#over || this.#reader === null) return false;
    let chunk: Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>;
    try {
      chunk = await this.#reader.read();
    } catch (error) {
      this.#fail(error);
      return false;
    }
    if (this.#over || this.#inDone) return false;
    if (!chunk.done) {
      this.#in.enqueue(chunk.value);
      return true;
    }
    this.#peerEnded = true;
    this.#endReadable();
    if (this.#plan.allowHalfOpen && !this.#selfEnded) return false;
    this.#out.error(new SocketError('the peer has closed the connection'));
    this.#outbox.end();
    this.#finish();
    return false;
  }

  async #write(chunk: unknown): Promise<void> {
    const bytes = bytesOf(chunk, this.#env.encode);
    await this.#opened.promise;
    await this.#outbox.push(bytes);
  }

  /** Reads what the core sends in plain text until it goes over to TLS; nobody gets to see it. */
  async #drain(): Promise<void> {
    if (this.#reader === null) return;
    while (!(await this.#reader.read()).done);
  }

  #endReadable(): void {
    if (!this.#inDone) this.#in.close();
    this.#inDone = true;
  }

  #finish(): void {
    this.#over = true;
    this.#closed.resolve();
  }

  #fail(error: unknown): void {
    const shown = asSocketError(error);
    this.#wire.reject(shown);
    this.#opened.reject(shown);
    if (this.#over) return;
    this.#over = true;
    // The proposal: a peer that resets the connection has closed it. Who reads or writes is told how.
    if (this.#reader !== null && isReset(error)) this.#closed.resolve();
    else this.#closed.reject(shown);
    this.#in.error(shown);
    this.#out.error(shown);
    this.#outbox.fail(shown);
  }
}

Object.defineProperty(Socket, 'name', { value: 'Socket' });

function bytesOf(chunk: unknown, encode: (text: string) => Uint8Array): Uint8Array {
  if (typeof chunk === 'string') return encode(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError('a socket takes bytes (an ArrayBuffer or a view of one) or text');
}

/** A promise that may be rejected while nobody listens. */
function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((done, failed) => {
    resolve = done as (value: T) => void;
    reject = failed;
  });
  void settle(promise, noop, noop);
  return { promise, resolve, reject };
}

function noop(): void {}
