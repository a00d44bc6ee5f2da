import { Counter, Gauge, type Registry } from 'prom-client';
import { FastHistogram, type Series } from '../metrics/histogram.ts';

/** Seconds; a quick handler takes a tenth of a millisecond, the slowest allowed minutes. */
const BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Seconds; fewer, because there is a series for each plugin and capability: from what memory answers to the deadlines. */
const HOST_CALL_BUCKETS = [0.0005, 0.0025, 0.01, 0.05, 0.25, 1, 5, 30];

/** What calls that are in no contract count as. */
export const NO_CAPABILITY = 'unknown';

export interface PluginMetricsView {
  readonly calls: number;
  readonly errors: number;
  /** Milliseconds, estimated from the histogram's buckets; null before the first call. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly restarts: number;
  readonly hostCalls: Readonly<Record<string, number>>;
  readonly hostCallErrors: Readonly<Record<string, number>>;
  /** What limits refused, by their name. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly events: { readonly delivered: number; readonly failed: number };
}

/** What one plugin is counted by. */
export interface PluginMeter {
  observe(milliseconds: number, ok: boolean): void;
  hostCall(room: string): void;
  /** It was answered. */
  hostCallEnded(room: string, milliseconds: number, failed: boolean): void;
  restarted(): void;
  delivered(): void;
  /** @param dead whether it was the last attempt */
  deliveryFailed(dead: boolean): void;
  /** A limit of that name refused something. */
  refused(limit: string): void;
  /** CPU that an isolate spent since the last time, and the heap that it has. */
  resources(cpuMs: number, heapBytes: number): void;
  view(): PluginMetricsView;
}

export interface Meters {
  of(plugin: string): PluginMeter;
  /** Ends the plugin's series: it was uninstalled. */
  drop(plugin: string): void;
}

/** Prometheus series with the label `plugin`, and the same numbers for the API. */
export function createMeters(registry: Registry): Meters {
  const registers = [registry];
  const labelNames = ['plugin'] as const;
  const calls = new FastHistogram(
    registry,
    'streamspace_plugin_call_duration_seconds',
    'Time of invocations of plugin handlers',
    BUCKETS,
  );
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
  const errors = counter('streamspace_plugin_errors_total', 'Invocations that failed');
  const restarts = counter('streamspace_plugin_restarts_total', 'Isolates that were lost and made again');
  const delivered = counter('streamspace_plugin_events_delivered_total', 'Events that the plugin took');
  const failed = counter('streamspace_plugin_events_failed_total', 'Attempts to deliver an event that failed');
  const dead = counter('streamspace_plugin_events_dead_lettered_total', 'Events that became dead letters');
  const hostCallErrors = new Counter({
    name: 'streamspace_plugin_host_call_errors_total',
    help: 'Calls of the plugin into the core that were answered with an error, refusals among them, by capability',
    labelNames: ['plugin', 'capability'],
    registers,
  });
  const hostCallTimes = new FastHistogram(
    registry,
    'streamspace_plugin_host_call_duration_seconds',
    'Time of calls of the plugin into the core by capability, waiting for their turn included',
    HOST_CALL_BUCKETS,
  );
  const hostCalls = new Counter({
    name: 'streamspace_plugin_host_calls_total',
    help: 'Calls of the plugin into the core by capability',
    labelNames: ['plugin', 'capability'],
    registers,
  });
  const refusals = new Counter({
    name: 'streamspace_plugin_quota_refusals_total',
    help: 'What limits of the plugin refused, by limit',
    labelNames: ['plugin', 'limit'],
    registers,
  });
  const cpu = counter('streamspace_plugin_cpu_seconds_total', 'CPU that the isolates of the plugin spent');
  const heap = new Gauge({ name: 'streamspace_plugin_heap_bytes', help: 'Heap in use', labelNames, registers });
  const meters = new Map<string, PluginMeter>();

  function make(plugin: string): PluginMeter {
    const callsOf = calls.series({ plugin });
    const errorsOf = errors.labels(plugin);
    const count = { errors: 0, restarts: 0, delivered: 0, failed: 0, cpuMs: 0, heapBytes: 0 };
    const byRoom = new Map<string, number>();
    const byLimit = new Map<string, number>();
    const hostCallOf = new Map<string, Counter.Internal>();
    const timesOf = new Map<string, Series>();
    const failuresOf = new Map<string, number>();
    return {
      observe(milliseconds, ok) {
        callsOf.observe(milliseconds / 1000);
        if (ok) return;
        count.errors += 1;
        errorsOf.inc();
      },
      hostCall(room) {
        byRoom.set(room, (byRoom.get(room) ?? 0) + 1);
        let child = hostCallOf.get(room);
        if (child === undefined) {
          child = hostCalls.labels(plugin, room);
          hostCallOf.set(room, child);
        }
        child.inc();
      },
      hostCallEnded(room, ms, failed) {
        let times = timesOf.get(room);
        if (times === undefined) {
          times = hostCallTimes.series({ plugin, capability: room });
          timesOf.set(room, times);
        }
        times.observe(ms / 1000);
        if (!failed) return;
        failuresOf.set(room, (failuresOf.get(room) ?? 0) + 1);
        hostCallErrors.labels(plugin, room).inc();
      },
      restarted() {
        count.restarts += 1;
        restarts.labels(plugin).inc();
      },
      delivered() {
        count.delivered += 1;
        delivered.labels(plugin).inc();
      },
      deliveryFailed(wasLast) {
        count.failed += 1;
        failed.labels(plugin).inc();
        if (wasLast) dead.labels(plugin).inc();
      },
      refused(limit) {
        byLimit.set(limit, (byLimit.get(limit) ?? 0) + 1);
        refusals.labels(plugin, limit).inc();
      },
      resources(cpuMs, heapBytes) {
        count.cpuMs += cpuMs;
        count.heapBytes = heapBytes;
        cpu.labels(plugin).inc(cpuMs / 1000);
        heap.labels(plugin).set(heapBytes);
      },
      view: () => ({
        calls: callsOf.count,
        errors: count.errors,
        p50Ms: milliseconds(callsOf.quantile(0.5)),
        p95Ms: milliseconds(callsOf.quantile(0.95)),
        p99Ms: milliseconds(callsOf.quantile(0.99)),
        cpuMs: Math.round(count.cpuMs),
        heapBytes: count.heapBytes,
        restarts: count.restarts,
        hostCalls: Object.fromEntries(byRoom),
        hostCallErrors: Object.fromEntries(failuresOf),
        refusals: Object.fromEntries(byLimit),
        events: { delivered: count.delivered, failed: count.failed },
      }),
    };
  }

  return {
    of(plugin) {
      let meter = meters.get(plugin);
      if (meter === undefined) {
        meter = make(plugin);
        meters.set(plugin, meter);
      }
      return meter;
    },
    drop(plugin) {
      const { hostCalls: begun = {}, refusals: limits = {} } = meters.get(plugin)?.view() ?? {};
      // Calls that are in no contract are counted when they have ended only.
      const rooms = [...Object.keys(begun), NO_CAPABILITY];
      meters.delete(plugin);
      calls.remove({ plugin });
      for (const metric of [errors, restarts, delivered, failed, dead, cpu, heap]) metric.remove(plugin);
      for (const room of rooms) {
        hostCalls.remove(plugin, room);
        hostCallErrors.remove(plugin, room);
        hostCallTimes.remove({ plugin, capability: room });
      }
      for (const limit in limits) refusals.remove(plugin, limit);
    },
  };
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}
