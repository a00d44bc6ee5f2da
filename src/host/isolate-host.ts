import type { Frame } from '../../runtime/protocol/frame.ts';
import { type GoneReason, KIND, type LoadHead } from '../../runtime/protocol/messages.ts';
import type { Log } from '../log.ts';
import type { BlackBoxFile } from './black-box.ts';
import { type HostChannel, openChannel } from './channel.ts';
import type { Layer } from './confinement.ts';
import { decodeGuestError } from './decode.ts';
import { FloodWatch } from './flood-watch.ts';
import { Guest, type GuestEvents, type Verdict } from './guest.ts';
import type { HostChild } from './host-child.ts';
import { decodeGone, decodePong, decodeReady, type HostReady } from './host-messages.ts';
import { Inspection } from './inspection.ts';
import { HOST_LIMITS, PLUGIN_LIMITS } from './limits.ts';
import { hostGone, LoadRefused } from './load-refused.ts';
import { startLocalChild } from './local-child.ts';
import type { HostFiles, Locks } from './lockdown-plan.ts';
import { MemoryWatch } from './memory-watch.ts';
import { RemoteAgent } from './remote-agent.ts';

export interface HostOptions {
  /** Its code here, or the agent that has it in another container. */
  readonly files: HostFiles | RemoteAgent;
  readonly layer: Layer;
  /** What the layer adds; all that it can on this machine when absent. */
  readonly locks?: Locks;
  readonly prelude: string;
  readonly log: Log;
  readonly guests: GuestEvents;
  /** Called once when the process is no more, with why, and whether an isolate is to blame. */
  readonly onExit: (reason: string, blamed: boolean) => void;
}

interface Load {
  readonly resolve: (guest: Guest) => void;
  readonly reject: (error: Error) => void;
  /** When it has to be over, by `performance.now()`. */
  readonly until: number;
}

/** What an isolate may take: when it takes more, the process has to go. */
interface Allowance {
  readonly memoryBytes: number;
  readonly cpuMs: number;
}

/** Milliseconds to wait for the exit code of a process whose descriptor has ended. */
const EXIT_CODE_MS = 200;
/** Signals from outside: nobody inside is to blame for them. */
const FROM_OUTSIDE: ReadonlySet<number> = new Set([1, 2, 9, 15]);

/** One Node process and the isolates in it. */
export class IsolateHost {
  readonly layer: Layer;
  readonly ready: HostReady;
  /** Bytes in memory, as the core sees it. */
  rss = 0;
  /** The name of the slot that it stands in. */
  placement: string | null = null;
  /** Its process id; of an agent's child, the one that its container knows. */
  readonly pid: number;
  readonly #child: HostChild;
  readonly #blackBox: BlackBoxFile;
  readonly #memory = new MemoryWatch();
  readonly #allowances = new Map<number, Allowance>();
  readonly #channel: HostChannel;
  readonly #guests: Map<number, Guest>;
  readonly #loads = new Map<number, Load>();
  /** Isolates that were let go and whose end is not confirmed yet, with the time by which it has to be. */
  readonly #leaving = new Map<number, number>();
  readonly #flood = new FloodWatch();
  readonly #options: HostOptions;
  #heardAt = performance.now();
  /** Since when the CPU time that it tells of next was spent, at the most. */
  #countedFrom = performance.now();
  #lastPing = 0;
  /** When each ping that is not answered was sent. */
  readonly #pings = new Map<number, number>();
  #dead = false;

  private constructor(
    options: HostOptions,
    child: HostChild,
    pid: number,
    channel: HostChannel,
    ready: HostReady,
    guests: Map<number, Guest>,
  ) {
    this.layer = options.layer;
    this.#options = options;
    this.#child = child;
    this.pid = pid;
    this.#blackBox = child.blackBox;
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
    const child =
      files instanceof RemoteAgent ? await files.startChild(log) : startLocalChild({ ...options, files, log });
    let host: IsolateHost | null = null;
    const started = Promise.withResolvers<HostReady>();
    const timer = setTimeout(
      () => started.reject(new Error('the isolate host was not ready in time')),
      HOST_LIMITS.startMs,
    );
    const guests = new Map<number, Guest>();
    const handlers: Parameters<typeof openChannel>[1] = {
      onFrame: (frame) => {
        if (host !== null) {
          host.#receive(frame);
          return;
        }
        const ready = frame.kind === KIND.ready ? decodeReady(frame.head) : undefined;
        if (ready === undefined) started.reject(new Error('the isolate host did not greet as expected'));
        else started.resolve(ready);
      },
      onClose: (reason, ended) => {
        started.reject(new Error(`the isolate host ended while it started: ${reason}`));
        if (host === null) return;
        if (ended) void host.#onClosed(reason);
        else host.kill(reason, host.#running());
      },
    };
    // It is waited for below, and may fail before.
    started.promise.catch(() => undefined);
    try {
      const channel = await openChannel(child.channel, handlers);
      const booted = child.started.then((pid) => {
        channel.send(KIND.boot, 0, 0, 0, 0, String(PLUGIN_LIMITS.memoryMb.default), options.prelude);
        return pid;
      });
      const [pid, ready] = await Promise.all([booted, started.promise]);
      const made = new IsolateHost(options, child, pid, channel, ready, guests);
      host = made;
      void child.lost.then((reason) => made.kill(reason));
      return made;
    } catch (error) {
      child.kill();
      child.blackBox.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
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
    guest.home = this;
    if (head.inspect === true) guest.inspection = new Inspection(id, this.#channel);
    this.#guests.set(id, guest);
    this.#allowances.set(id, { memoryBytes: head.memoryMb * 1024 * 1024, cpuMs: head.cpuMs });
    return new Promise((resolve, reject) => {
      const until = performance.now() + head.loadMs + HOST_LIMITS.silenceMs;
      this.#loads.set(id, { resolve, reject, until });
      this.#channel.send(KIND.load, 0, 0, id, 0, JSON.stringify(head), bundle);
    });
  }

  /** Looks at deadlines, at the heart and at the memory; called every `tickMs`. */
  tick(now: number): void {
    for (const guest of this.#guests.values()) guest.expire(now);
    if (this.#dead) return;
    if (this.#isLate(now)) return;
    const { main, pool } = this.#blackBox.read();
    const silence = now - this.#heardAt;
    const allowed = main === null ? undefined : this.#allowances.get(main)?.cpuMs;
    if (main !== null && allowed !== undefined && silence > allowed + HOST_LIMITS.hungMs) {
      this.kill('an isolate on its main thread cannot be stopped', [main]);
      return;
    }
    if (silence > HOST_LIMITS.silenceMs) {
      this.kill('it did not answer its heartbeat', main === null ? pool : [main]);
      return;
    }
    const flooding = this.#flood.look(now, this.#channel.busyMs);
    if (flooding !== null) {
      this.kill('it keeps the core busy', flooding);
      return;
    }
    const running = main === null ? pool : [main, ...pool];
    this.rss = this.#child.residentBytes();
    const over = this.#memory.look(
      { rssBytes: this.rss, running, isolates: this.#guests.size },
      (isolate) => this.#allowances.get(isolate)?.memoryBytes ?? 0,
    );
    if (over !== null) this.kill(over.detail, over.isolates);
  }

  /** Ends a process that does not say in time that an isolate is loaded, or gone. */
  #isLate(now: number): boolean {
    for (const guest of this.#guests.values()) {
      if (!guest.gone) continue;
      const until = this.#leaving.get(guest.id);
      if (until === undefined) this.#leaving.set(guest.id, now + HOST_LIMITS.silenceMs);
      else if (until < now) this.kill('it does not let an isolate go', [guest.id]);
    }
    for (const [id, { until }] of this.#loads) if (until < now) this.kill('it did not load an isolate in time', [id]);
    return this.#dead;
  }

  /** Isolates that run, as the process last noted. */
  #running(): readonly number[] {
    const { main, pool } = this.#blackBox.read();
    return main === null ? pool : [main, ...pool];
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#lastPing = (this.#lastPing + 1) >>> 0;
    this.#pings.set(this.#lastPing, performance.now());
    this.#channel.send(KIND.ping, 0, 0, 0, this.#lastPing, '', null);
  }

  /** Ends the process. @param blamed isolates that are the reason: one is the culprit, of several each is suspect */
  kill(reason: string, blamed: readonly number[] = []): void {
    this.#child.kill();
    this.#onDead(reason, blamed);
  }

  #receive(frame: Frame): void {
    this.#flood.count(frame.isolate);
    const guest = this.#guests.get(frame.isolate);
    switch (frame.kind) {
      case KIND.pong:
        this.#onPong(frame.head, frame.id);
        return;
      case KIND.loaded:
        this.#loads.get(frame.isolate)?.resolve(guest as Guest);
        this.#loads.delete(frame.isolate);
        return;
      case KIND.gone:
        if (guest !== undefined) this.#onGone(guest, frame.head);
        return;
      case KIND.stuck:
        if (guest !== undefined) this.kill('an isolate cannot be stopped', [guest.id]);
        return;
    }
    guest?.receive(frame);
  }

  #onPong(head: string, ping: number): void {
    const pingedAt = this.#pings.get(ping);
    if (pingedAt === undefined) return;
    this.#pings.delete(ping);
    const pong = decodePong(head);
    if (pong === undefined) {
      this.kill('it sent a heartbeat that cannot be read', this.#running());
      return;
    }
    const now = performance.now();
    const since = now - this.#countedFrom;
    this.#heardAt = now;
    if (pong.isolates.length > 0) this.#countedFrom = now;
    // Where there is no /proc.
    if (this.rss === 0) this.rss = pong.rss;
    for (const [id, cpuMs, heapBytes, timerPending] of pong.isolates) {
      const guest = this.#guests.get(id);
      if (guest === undefined) continue;
      // An isolate runs on one thread at a time, and its heap is in the process: a host that lies frames its guests.
      guest.cpuMs += Math.min(Math.max(0, cpuMs), since);
      guest.heapBytes = Math.min(Math.max(0, heapBytes), this.rss);
      guest.onSeen(timerPending, pingedAt);
      this.#options.guests.onStats(guest);
    }
  }

  #onGone(guest: Guest, head: string): void {
    const gone = decodeGone(head);
    const reason: GoneReason = gone?.reason ?? 'protocol';
    const error = gone?.error == null ? null : decodeGuestError(JSON.stringify(gone.error));
    if (reason === 'catastrophic') {
      this.kill(`V8 gave an isolate up: ${error?.message ?? reason}`, [guest.id]);
      return;
    }
    this.#guests.delete(guest.id);
    this.#allowances.delete(guest.id);
    this.#leaving.delete(guest.id);
    const load = this.#loads.get(guest.id);
    this.#loads.delete(guest.id);
    load?.reject(new LoadRefused(reason, error?.message ?? reason, error));
    guest.onGone({ reason, error, verdict: 'culprit', detail: error?.message ?? reason });
  }

  /** The descriptor ended by itself: its exit code says whether it crashed or was ended from outside. */
  async #onClosed(reason: string): Promise<void> {
    if (this.#dead) return;
    const code = await Promise.race([this.#child.exited, Bun.sleep(EXIT_CODE_MS).then(() => null)]);
    // A shell's way to say that a signal ended it, and bubblewrap's.
    const signal = code !== null && code > 128 ? code - 128 : 0;
    if (code !== null && FROM_OUTSIDE.has(signal)) {
      this.#onDead(`it was ended from outside (signal ${signal})`, []);
      return;
    }
    this.#onDead(`${reason} (exit code ${code ?? 'unknown'})`, this.#running());
  }

  #onDead(reason: string, blamed: readonly number[]): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#child.kill();
    this.#channel.close();
    this.#blackBox.close();
    const verdictOn = (isolate: number): Verdict =>
      !blamed.includes(isolate) ? 'bystander' : blamed.length === 1 ? 'culprit' : 'suspect';
    for (const [id, load] of this.#loads) {
      const guilty = verdictOn(id) === 'culprit';
      load.reject(
        guilty ? new LoadRefused('catastrophic', `it brought its process down: ${reason}`, null) : hostGone(reason),
      );
    }
    this.#loads.clear();
    const guests = [...this.#guests.values()];
    this.#guests.clear();
    for (const guest of guests) {
      guest.onGone({ reason: 'host', error: null, verdict: verdictOn(guest.id), detail: reason });
    }
    this.#options.onExit(
      reason,
      guests.some(({ id }) => blamed.includes(id)),
    );
  }
}
