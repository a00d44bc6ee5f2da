import type { Socket } from 'bun';
import { parseAnswerHead } from './answer-head.ts';
import type { LoadJob, LoadRequest, LoadResult } from './load-job.ts';

/** One bucket a microsecond; what takes longer is counted in the last. */
const BUCKETS = 500_000;
/** Milliseconds that answers still under way get at the end. */
const GRACE_MS = 2_000;
/** One answer in as many is compared byte by byte; of the others status and length are. */
const COMPARE_EVERY = 16;

interface Prepared {
  readonly bytes: Buffer;
  readonly expect: Buffer;
}

interface Connection {
  next: number;
  current: Prepared;
  sentAt: number;
  waiting: boolean;
  /** Beginning of an answer that has not arrived whole. */
  partial: Buffer | null;
  /** Rest of a request that the socket did not take yet. */
  unsent: Buffer | null;
}

/** A keep-alive HTTP/1.1 client that does no more than count: one request a connection, no pipelining. */
class Run {
  readonly #job: LoadJob;
  readonly #prepared: readonly Prepared[];
  readonly #buckets = new Uint32Array(BUCKETS + 1);
  readonly #done = Promise.withResolvers<void>();
  readonly #sockets = new Set<Socket<Connection>>();
  #phase: 'warm' | 'count' | 'end' = 'warm';
  #answers = 0;
  #total = 0;
  #wrong = 0;
  #firstWrong: string | null = null;

  constructor(job: LoadJob) {
    this.#job = job;
    this.#prepared = job.requests.map((request) => prepare(request, job.port));
  }

  async run(): Promise<LoadResult> {
    const { port, connections, warmMs, durationMs } = this.#job;
    const cpu = process.cpuUsage();
    await Promise.all(Array.from({ length: connections }, (_, index) => this.#connect(port, index)));
    await Bun.sleep(warmMs);
    this.#phase = 'count';
    const begun = Bun.nanoseconds();
    await Bun.sleep(durationMs);
    const seconds = (Bun.nanoseconds() - begun) / 1e9;
    this.#phase = 'end';
    this.#endIfIdle();
    await Promise.race([this.#done.promise, Bun.sleep(GRACE_MS)]);
    for (const socket of this.#sockets) {
      if (socket.data.waiting) this.#fail('no answer');
      socket.data.waiting = false;
      socket.end();
    }
    const { user, system } = process.cpuUsage(cpu);
    return {
      answers: this.#answers,
      total: this.#total,
      perSecond: this.#answers / seconds,
      p50Us: this.#quantile(0.5),
      p99Us: this.#quantile(0.99),
      wrong: this.#wrong,
      firstWrong: this.#firstWrong,
      cpuMs: (user + system) / 1000,
    };
  }

  async #connect(port: number, index: number): Promise<void> {
    const next = Math.floor((index * this.#prepared.length) / this.#job.connections);
    const data: Connection = {
      next,
      current: this.#prepared[next] as Prepared,
      sentAt: 0,
      waiting: false,
      partial: null,
      unsent: null,
    };
    await Bun.connect<Connection>({
      hostname: '127.0.0.1',
      port,
      data,
      socket: {
        open: (socket) => {
          socket.setNoDelay(true);
          this.#sockets.add(socket);
          this.#send(socket, Bun.nanoseconds());
        },
        data: (socket, chunk) => this.#receive(socket, chunk),
        drain: (socket) => {
          if (socket.data.unsent !== null) write(socket, socket.data.unsent);
        },
        close: (socket) => {
          this.#sockets.delete(socket);
          if (socket.data.waiting) this.#fail('the connection was closed before the answer');
          if (this.#phase === 'end') this.#endIfIdle();
        },
      },
    });
  }

  #send(socket: Socket<Connection>, now: number): void {
    const connection = socket.data;
    const prepared = this.#prepared[connection.next] as Prepared;
    connection.current = prepared;
    connection.next = connection.next + 1 === this.#prepared.length ? 0 : connection.next + 1;
    connection.sentAt = now;
    connection.waiting = true;
    write(socket, prepared.bytes);
  }

  #receive(socket: Socket<Connection>, chunk: Buffer): void {
    const connection = socket.data;
    const bytes = connection.partial === null ? chunk : Buffer.concat([connection.partial, chunk]);
    const head = parseAnswerHead(bytes);
    if (head === null || bytes.length < head.bodyAt + head.length) {
      connection.partial = bytes === chunk ? Buffer.from(bytes) : bytes;
      return;
    }
    connection.partial = null;
    connection.waiting = false;
    const now = Bun.nanoseconds();
    this.#total += 1;
    if (this.#phase === 'count') {
      this.#answers += 1;
      const bucket = Math.min(BUCKETS, Math.round((now - connection.sentAt) / 1000));
      this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    }
    const { expect } = connection.current;
    if (
      head.status !== 200 ||
      head.length !== expect.length ||
      bytes.length !== head.bodyAt + head.length ||
      (this.#total % COMPARE_EVERY === 0 && !bytes.subarray(head.bodyAt).equals(expect))
    ) {
      this.#fail(`status ${head.status}, ${bytes.subarray(head.bodyAt).toString().slice(0, 200)}`);
    }
    if (this.#phase === 'end') this.#endIfIdle();
    else this.#send(socket, now);
  }

  #fail(what: string): void {
    this.#wrong += 1;
    this.#firstWrong ??= what;
  }

  #endIfIdle(): void {
    for (const socket of this.#sockets) if (socket.data.waiting) return;
    this.#done.resolve();
  }

  #quantile(q: number): number {
    let left = this.#answers * q;
    for (let us = 0; us <= BUCKETS; us += 1) {
      left -= this.#buckets[us] as number;
      if (left <= 0 && this.#answers > 0) return us;
    }
    return Number.NaN;
  }
}

function write(socket: Socket<Connection>, bytes: Buffer): void {
  const written = Math.max(0, socket.write(bytes));
  socket.data.unsent = written < bytes.length ? bytes.subarray(written) : null;
}

function prepare({ method, path, headers, body, expect }: LoadRequest, port: number): Prepared {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Accept: */*'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== null) lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
  return { bytes: Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`), expect: Buffer.from(expect) };
}

process.on('disconnect', () => process.exit(0));
process.on('message', (job: LoadJob) => {
  new Run(job).run().then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.send?.({ ready: true });
