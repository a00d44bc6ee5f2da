import type { PluginLimits } from '../host/limits.ts';
import { type QuotaUse, quotaExceeded } from './quota-use.ts';
import { SpendWindow } from './spend-window.ts';

const MINUTE = 60_000;
const MIB = 1024 * 1024;
/** CPU milliseconds beyond the limit a minute: what was under way may end, what begins anew by itself is stopped. */
const RUNAWAY_MS = 5_000;

export interface QuotaSurroundings {
  /** What the plugin may use at the moment. */
  readonly limits: () => PluginLimits;
  /** The core's clock, in milliseconds; it never goes back. */
  readonly now: () => number;
  /** Told of each refusal. */
  readonly onExceeded: (limit: string, error: Error) => void;
}

/**
 * What one plugin has used of its limits, whichever of its isolates did. Counts only: who refuses asks here first. What
 * runs with each request (`admit`) looks at no clock unless it refuses.
 */
export class PluginQuotas {
  readonly #plugin: string;
  readonly #around: QuotaSurroundings;
  readonly #cpu = new SpendWindow(MINUTE);
  readonly #bytes = new SpendWindow(MINUTE);
  readonly #lines = new SpendWindow(MINUTE);
  /** What the core writes about the plugin: a flood of the plugin's own lines does not hide why it was stopped. */
  readonly #coreLines = new SpendWindow(MINUTE);
  readonly #calls = new Map<string, SpendWindow>();
  #callsInFlight = 0;
  #heapBytes = 0;

  constructor(plugin: string, around: QuotaSurroundings) {
    this.#plugin = plugin;
    this.#around = around;
  }

  /** CPU that one of its isolates has spent, and the heap that it has. */
  ran(cpuMs: number, heapBytes: number): void {
    this.#cpu.spend(cpuMs, this.#around.now());
    this.#heapBytes = heapBytes;
  }

  /**
   * Whether one more may be begun in an isolate.
   *
   * @param underWay invocations that the isolate has under way
   * @throws CodedError `quota_exceeded`
   */
  admit(underWay: number, { callsInFlight, cpuMsPerMinute }: PluginLimits): void {
    if (underWay >= callsInFlight) throw this.#exceeded('callsInFlight', callsInFlight, null);
    if (this.#cpu.last >= cpuMsPerMinute && this.cpuResetMs() > 0) {
      throw this.#exceeded('cpuMsPerMinute', cpuMsPerMinute, this.#cpu);
    }
  }

  /** Whether an isolate goes on computing, by timers say, long after it was to rest. @param cpuMs of that isolate */
  isRunaway(cpuMs: number): boolean {
    const over = this.#cpu.spentAt(this.#around.now()) - this.#around.limits().cpuMsPerMinute;
    return over > RUNAWAY_MS && cpuMs > RUNAWAY_MS;
  }

  /** Milliseconds until it may compute again; 0 when it may now. */
  cpuResetMs(): number {
    const now = this.#around.now();
    return this.#cpu.spentAt(now) < this.#around.limits().cpuMsPerMinute ? 0 : this.#cpu.endsAt - now;
  }

  /** Counts a call into the core, whatever comes of it. @throws CodedError `quota_exceeded` */
  countCall(capability: string): void {
    let window = this.#calls.get(capability);
    if (window === undefined) {
      window = new SpendWindow(MINUTE);
      this.#calls.set(capability, window);
    }
    const max = ofCapability(this.#around.limits().hostCallsPerMinute, capability);
    if (!this.#take(window, 1, max)) throw this.#exceeded(`hostCallsPerMinute.${capability}`, max, window);
  }

  /** A call that is to be answered begins; `endCall` ends it. @throws CodedError `quota_exceeded` */
  beginCall(): void {
    const { hostCallsInFlight } = this.#around.limits();
    if (this.#callsInFlight >= hostCallsInFlight) throw this.#exceeded('hostCallsInFlight', hostCallsInFlight, null);
    this.#callsInFlight += 1;
  }

  endCall(): void {
    this.#callsInFlight -= 1;
  }

  /** Body bytes that pass to or from the network; 0 asks whether any may. @throws CodedError `quota_exceeded` */
  transfer(bytes: number): void {
    const max = this.#around.limits().outboundBytesPerMinute;
    if (!this.#take(this.#bytes, bytes, max)) throw this.#exceeded('outboundBytesPerMinute', max, this.#bytes);
  }

  /** Whether one more line may be written. @param from who writes it */
  mayLog(from: 'plugin' | 'core'): boolean {
    return this.#take(from === 'plugin' ? this.#lines : this.#coreLines, 1, this.#around.limits().logLinesPerMinute);
  }

  /** What is used of the limits that are counted here. */
  uses(): QuotaUse[] {
    const limits = this.#around.limits();
    const { hostCallsPerMinute } = limits;
    const capabilities = new Set([...Object.keys(hostCallsPerMinute), ...this.#calls.keys()]);
    capabilities.delete('default');
    return [
      this.#inMinute('cpuMsPerMinute', limits.cpuMsPerMinute, this.#cpu),
      this.#inMinute('outboundBytesPerMinute', limits.outboundBytesPerMinute, this.#bytes),
      this.#inMinute('logLinesPerMinute', limits.logLinesPerMinute, this.#lines),
      ...[...capabilities]
        .sort()
        .map((one) =>
          this.#inMinute(`hostCallsPerMinute.${one}`, ofCapability(hostCallsPerMinute, one), this.#calls.get(one)),
        ),
      { limit: 'hostCallsInFlight', max: limits.hostCallsInFlight, used: this.#callsInFlight, resetsAt: null },
      { limit: 'memoryMb', max: limits.memoryMb, used: Math.ceil(this.#heapBytes / MIB), resetsAt: null },
    ];
  }

  #inMinute(limit: string, max: number, window: SpendWindow | undefined): QuotaUse {
    const used = window?.spentAt(this.#around.now()) ?? 0;
    return { limit, max, used: Math.round(used), resetsAt: used > 0 ? this.#resetsAt(window) : null };
  }

  /** Spends, unless all is spent already; what goes over is spent, and refused. */
  #take(window: SpendWindow, amount: number, max: number): boolean {
    const now = this.#around.now();
    return window.spentAt(now) < max && window.spend(amount, now) <= max;
  }

  #exceeded(limit: string, max: number, window: SpendWindow | null): Error {
    const error = quotaExceeded(this.#plugin, { limit, max, resetsAt: this.#resetsAt(window ?? undefined) });
    this.#around.onExceeded(limit, error);
    return error;
  }

  #resetsAt(window: SpendWindow | undefined): string | null {
    if (window === undefined) return null;
    return new Date(Date.now() + window.endsAt - this.#around.now()).toISOString();
  }
}

function ofCapability(limits: Readonly<Record<string, number>>, capability: string): number {
  return limits[capability] ?? limits.default ?? 0;
}
