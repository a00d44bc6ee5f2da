import { type Static, Type } from '@sinclair/typebox';
import type { Subprocess } from 'bun';
import type { Frame } from '../../runtime/protocol/frame.ts';
import { type GoneReason, KIND, type LoadHead } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Log } from '../log.ts';
import { type HostChannel, openChannel } from './channel.ts';
import { type HostFiles, type Layer, wrap } from './confinement.ts';
import { decodeGuestError, decoder } from './decode.ts';
import { Guest, type GuestEvents } from './guest.ts';
import { HOST_LIMITS, PLUGIN_LIMITS } from './limits.ts';

const Reach = Type.Object({
  env: Type.Boolean(),
  files: Type.Boolean(),
  sockets: Type.Boolean(),
  processes: Type.Boolean(),
  parent: Type.Boolean(),
});
const Ready = Type.Object({ node: Type.String(), v8: Type.String(), pid: Type.Integer(), reach: Reach });
const decodeReady = decoder(Ready);
const decodePong = decoder(
  Type.Object({
    rss: Type.Number({ minimum: 0 }),
    isolates: Type.Array(Type.Tuple([Type.Integer(), Type.Number(), Type.Number()]), { maxItems: 10_000 }),
  }),
);
const GONE_REASONS = ['cpu', 'memory', 'protocol', 'catastrophic', 'disposed', 'load'] as const;
const decodeGone = decoder(
  Type.Object({ reason: Type.Union(GONE_REASONS.map((reason) => Type.Literal(reason))), error: Type.Unknown() }),
);

export interface HostOptions {
  readonly files: HostFiles;
  readonly layer: Layer;
  readonly prelude: string;
  readonly log: Log;
  readonly guests: GuestEvents;
  /** Called once when the process is no more, with why. */
  readonly onExit: (reason: string) => void;
}

/** One Node child and the isolates in it. */
export class IsolateHost {
  readonly layer: Layer;
  readonly ready: Static<typeof Ready>;
  rss = 0;
  readonly #child: Subprocess;
  readonly #channel: HostChannel;
  readonly #guests: Map<number, Guest>;
  readonly #loads = new Map<number, { resolve: (guest: Guest) => void; reject: (error: Error) => void }>();
  readonly #options: HostOptions;
  #heardAt = performance.now();
  #dead = false;

  private constructor(
    options: HostOptions,
    child: Subprocess,
    channel: HostChannel,
    ready: Static<typeof Ready>,
    guests: Map<number, Guest>,
  ) {
    this.layer = options.layer;
    this.#options = options;
    this.#child = child;
    this.#channel = channel;
    this.ready = ready;
    this.#guests = guests;
  }

  /**
   * Starts a host and waits until it is ready.
   *
   * @throws Error when the child ends before, or is not ready in time
   */
  static async start(options: HostOptions): Promise<IsolateHost> {
    const { files, log } = options;
    const flags = [
      '--no-node-snapshot',
      // An isolate that is entered for moments never takes over what V8 optimised on other threads.
      '--no-concurrent-recompilation',
      '--expose-gc',
      '--permission',
      '--allow-addons',
      ...files.readable.map((path) => `--allow-fs-read=${path}`),
      '--disable-warning=PERM0001',
    ];
    const child = Bun.spawn(wrap(options.layer, files, flags), {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: {},
      cwd: '/',
    });
    forwardOutput(child.stdout, log);
    forwardOutput(child.stderr, log);

    let host: IsolateHost | null = null;
    const started = Promise.withResolvers<Static<typeof Ready>>();
    const timer = setTimeout(
      () => started.reject(new Error('the isolate host was not ready in time')),
      HOST_LIMITS.startMs,
    );
    const guests = new Map<number, Guest>();
    const channel = await openChannel(child.stdio[3] as unknown as number, {
      onFrame: (frame) => {
        if (host !== null) {
          host.#receive(frame);
          return;
        }
        const ready = frame.kind === KIND.ready ? decodeReady(frame.head) : undefined;
        if (ready === undefined) started.reject(new Error('the isolate host did not greet as expected'));
        else started.resolve(ready);
      },
      onClose: (reason) => {
        started.reject(new Error(`the isolate host ended while it started: ${reason}`));
        if (host !== null) host.#onDead(reason);
      },
    });
    try {
      channel.send(KIND.boot, 0, 0, 0, 0, String(PLUGIN_LIMITS.memoryMb.default), options.prelude);
      host = new IsolateHost(options, child, channel, await started.promise, guests);
      return host;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get size(): number {
    return this.#guests.size;
  }

  /**
   * Makes an isolate and runs the bundle's top level in it.
   *
   * @throws LoadRefused with the guest's error, CodedError `plugin_unavailable` when the host is gone
   */
  load(id: number, head: LoadHead, bundle: string): Promise<Guest> {
    if (this.#dead) return Promise.reject(hostGone('it died before'));
    const guest = new Guest(id, this.#channel, this.#options.guests);
    this.#guests.set(id, guest);
    return new Promise((resolve, reject) => {
      this.#loads.set(id, { resolve, reject });
      this.#channel.send(KIND.load, 0, 0, id, 0, JSON.stringify(head), bundle);
    });
  }

  /** Looks at deadlines and at the heart; called every `tickMs`. */
  tick(now: number): void {
    for (const guest of this.#guests.values()) guest.expire(now);
    if (now - this.#heardAt > HOST_LIMITS.silenceMs) this.kill('it did not answer its heartbeat');
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#channel.send(KIND.ping, 0, 0, 0, 0, '', null);
  }

  kill(reason: string): void {
    this.#child.kill('SIGKILL');
    this.#onDead(reason);
  }

  #receive(frame: Frame): void {
    this.#heardAt = performance.now();
    const guest = this.#guests.get(frame.isolate);
    switch (frame.kind) {
      case KIND.pong:
        this.#onPong(frame.head);
        return;
      case KIND.loaded:
        this.#loads.get(frame.isolate)?.resolve(guest as Guest);
        this.#loads.delete(frame.isolate);
        return;
      case KIND.gone:
        if (guest !== undefined) this.#onGone(guest, frame.head);
        return;
    }
    guest?.receive(frame);
  }

  #onPong(head: string): void {
    const pong = decodePong(head);
    if (pong === undefined) {
      this.kill('it sent a heartbeat that cannot be read');
      return;
    }
    this.rss = pong.rss;
    for (const [id, cpuMs, heapBytes] of pong.isolates) {
      const guest = this.#guests.get(id);
      if (guest === undefined) continue;
      guest.cpuMs += Math.max(0, cpuMs);
      guest.heapBytes = Math.max(0, heapBytes);
      this.#options.guests.onStats(guest);
    }
  }

  #onGone(guest: Guest, head: string): void {
    const gone = decodeGone(head);
    const reason: GoneReason = gone?.reason ?? 'protocol';
    const error = gone?.error == null ? null : decodeGuestError(JSON.stringify(gone.error));
    this.#guests.delete(guest.id);
    const load = this.#loads.get(guest.id);
    this.#loads.delete(guest.id);
    load?.reject(new LoadRefused(reason, error?.message ?? reason, error));
    guest.onGone(reason, error);
  }

  #onDead(reason: string): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#child.kill('SIGKILL');
    this.#channel.close();
    for (const load of this.#loads.values()) load.reject(hostGone(reason));
    this.#loads.clear();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    for (const guest of guests) guest.onGone('host', null);
    this.#options.onExit(reason);
  }
}

export function hostGone(reason: string): CodedError {
  return new CodedError('plugin_unavailable', `The isolate host is gone: ${reason}`, { retryAfter: 1 });
}

/** The isolate could not be made, or the bundle's top level threw. */
export class LoadRefused extends Error {
  readonly reason: GoneReason;
  readonly guest: ReturnType<typeof decodeGuestError> | null;
  constructor(reason: GoneReason, message: string, guest: ReturnType<typeof decodeGuestError> | null) {
    super(message);
    this.name = 'LoadRefused';
    this.reason = reason;
    this.guest = guest;
  }
}

/** What the child prints is a sign of trouble: it goes to the log, cut and by the line. */
async function forwardOutput(stream: ReadableStream<Uint8Array>, log: Log): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true }).slice(0, 8_192).trim();
    if (text !== '') log.warn({ output: text }, 'isolate host');
  }
}
