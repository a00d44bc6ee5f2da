import type { Socket } from 'node:net';
import { CodedError } from '../_kit/errors.ts';
import { networkFailure } from '../fetch/failure.ts';
import type { Target } from '../fetch/permission.ts';
import type { ConnectLimits } from './limits.ts';

export interface ConnectionOptions {
  readonly target: Target;
  /** Whether the plugin may go on sending when the peer has ended. */
  readonly allowHalfOpen: boolean;
  readonly limits: ConnectLimits;
  /** Told of bytes as they pass; what it throws ends the connection. */
  readonly onBytes: (sent: number, received: number) => void;
  /** Called once, when the connection is gone. */
  readonly onEnd: () => void;
}

/**
 * One connection of a plugin: what the peer sends as a stream, a stream of the plugin to the peer, each at the other's
 * pace. It is closed when both directions are over, and at once when one fails.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #socket: Socket;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #writer: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #readOver = false;
  #writeOver = false;
  /** Writes that the system has not taken yet. */
  #pending = 0;
  /** Called when all is sent that the plugin wrote before an upgrade. */
  #onFlushed: (() => void) | null = null;
  #closing = false;
  /** Bytes that came after both directions were over. */
  #dropped = 0;
  #gone = false;
  #idle: NodeJS.Timeout;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#options = options;
    this.#socket = socket;
    const { idleMs } = options.limits;
    this.#idle = setTimeout(() => {
      this.end(new CodedError('deadline_exceeded', `Nothing came or went for ${idleMs} ms`));
    }, idleMs);
    this.#listen(socket);
  }

  /** What the peer sends. To be asked for once for each of plain text and TLS. */
  readable(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#socket.resume();
        },
        cancel: (reason) => {
          this.#controller = null;
          this.#readOver = true;
          if (reason instanceof CodedError) this.end(reason);
          else this.#closeWhenOver();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Sends what that stream gives. @throws CodedError `invalid_input` when there is one already */
  attach(stream: ReadableStream<Uint8Array>): void {
    if (this.#writer !== null) throw new CodedError('invalid_input', 'socket: it has a stream to send already');
    this.#writer = stream.getReader();
    void this.#send(this.#writer, this.#socket);
  }

  /**
   * Has the connection go on with what `secure` makes of it, once the plugin's stream has ended and is sent. What came
   * before and was not read is dropped: it is not protected, and must not be taken for what comes after.
   * @throws what `secure` throws; the connection is gone then
   */
  async upgrade<T extends Socket>(secure: (socket: Socket) => Promise<T>): Promise<T> {
    const plain = this.#socket;
    plain.pause();
    plain.removeListener('data', this.#onData);
    plain.removeListener('end', this.#onPeerEnd);
    this.#controller?.close();
    this.#controller = null;
    const { promise: flushed, resolve, reject } = Promise.withResolvers<void>();
    this.#onFlushed = resolve;
    const { handshakeMs } = this.#options.limits;
    const slow = setTimeout(() => {
      reject(new CodedError('network_failed', `what was to be sent before TLS took more than ${handshakeMs} ms`));
    }, handshakeMs);
    try {
      this.#flushedWhenSent();
      await flushed;
      if (this.#gone) throw closed();
      const tls = await secure(plain);
      if (this.#gone) throw closed();
      plain.removeListener('close', this.#onClose);
      this.#socket = tls;
      this.#listen(tls);
      return tls;
    } catch (error) {
      this.end(error instanceof CodedError ? error : new CodedError('aborted'));
      throw error;
    } finally {
      clearTimeout(slow);
    }
  }

  /** Closes it now; whoever reads or writes gets the reason. */
  end(reason: CodedError): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#idle);
    this.#controller?.error(reason);
    this.#controller = null;
    // The writer is the guest; that its own `cancel` failed is its business.
    this.#writer?.cancel(reason).catch(() => undefined);
    this.#socket.destroy();
    this.#options.onEnd();
  }

  #listen(socket: Socket): void {
    socket.pause();
    socket.on('data', this.#onData);
    socket.on('end', this.#onPeerEnd);
    socket.on('error', (error) => this.end(networkFailure(this.#options.target, error)));
    socket.on('close', this.#onClose);
  }

  readonly #onClose = (): void => this.end(closed());

  readonly #onData = (chunk: Buffer): void => {
    this.#socket.pause();
    if (!this.#count(0, chunk.length)) return;
    if (this.#controller !== null) this.#controller.enqueue(chunk);
    else if (this.#closing) this.#drop(chunk.length);
  };

  #drop(bytes: number): void {
    this.#dropped += bytes;
    if (this.#dropped > this.#options.limits.lingerBytes) this.end(closed());
    else this.#socket.resume();
  }

  readonly #onPeerEnd = (): void => {
    this.#readOver = true;
    this.#controller?.close();
    this.#controller = null;
    if (!this.#options.allowHalfOpen) {
      this.#writer?.cancel().catch(() => undefined);
      this.#writeOver = true;
    }
    this.#closeWhenOver();
  };

  #count(sent: number, received: number): boolean {
    if (this.#gone) return false;
    this.#idle.refresh();
    try {
      this.#options.onBytes(sent, received);
      return true;
    } catch (error) {
      this.end(error instanceof CodedError ? error : new CodedError('internal'));
      return false;
    }
  }

  async #send(writer: ReadableStreamDefaultReader<Uint8Array>, socket: Socket): Promise<void> {
    try {
      for (let chunk = await writer.read(); !chunk.done; chunk = await writer.read()) {
        if (this.#writeOver || !this.#count(chunk.value.length, 0)) return;
        this.#pending += 1;
        const more = socket.write(chunk.value, () => {
          this.#pending -= 1;
          this.#flushedWhenSent();
        });
        if (!more) await drained(socket);
      }
    } catch (error) {
      const why = error instanceof CodedError ? error : new CodedError('aborted', 'The writer gave up');
      this.end(why);
      return;
    }
    this.#writer = null;
    if (this.#onFlushed !== null) {
      this.#flushedWhenSent();
      return;
    }
    this.#writeOver = true;
    if (!this.#gone) socket.end();
    this.#closeWhenOver();
  }

  #flushedWhenSent(): void {
    if (this.#onFlushed === null || this.#writer !== null || this.#pending > 0) return;
    this.#onFlushed();
    this.#onFlushed = null;
  }

  /**
   * Both directions are over, or nobody is there who could send: the rest is sent, and the peer's end is waited for a
   * little. To close on a peer that still sends would reset the connection, and lose what it has not read yet.
   */
  #closeWhenOver(): void {
    if (this.#gone || this.#closing || !this.#readOver || !(this.#writeOver || this.#writer === null)) return;
    this.#closing = true;
    this.#writeOver = true;
    const socket = this.#socket;
    const timer = setTimeout(() => this.end(closed()), this.#options.limits.lingerMs);
    socket.once('close', () => clearTimeout(timer));
    const closeIfDone = (): void => {
      if (socket.readableEnded && socket.writableFinished) socket.destroy();
    };
    socket.once('end', closeIfDone);
    socket.once('finish', closeIfDone);
    socket.end();
    socket.resume();
    closeIfDone();
  }
}

function closed(): CodedError {
  return new CodedError('network_failed', 'The connection was closed');
}

/** Resolves when more can be written, or never will be. */
function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      socket.removeListener('drain', done);
      socket.removeListener('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
