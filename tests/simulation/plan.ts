import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { DELIVERY_LIMITS, type DeliveryLimits } from '../../src/events/limits.ts';
import { SCHEDULE_LIMITS, type ScheduleLimits } from '../../src/schedules/limits.ts';
import type { MemorySubscription } from './memory-deliveries.ts';
import { type Random, randomOf } from './random.ts';

/** What happens in one simulation, and when; what it leads to is up to the code. Times are milliseconds from the start. */
export interface Plan {
  readonly seed: number;
  /** No crash, no store that fails, nothing taken away: then everything happens exactly once. */
  readonly calm: boolean;
  readonly replicas: readonly { readonly skewMs: number; readonly drift: number }[];
  readonly plugins: readonly PluginPlan[];
  readonly actions: readonly Action[];
  /** The share of statements that fail, half of them after they were carried out. */
  readonly flaky: number;
  /** The share of notifications that nobody hears. */
  readonly deaf: number;
}

export interface PluginPlan {
  readonly name: string;
  readonly subscriptions: readonly MemorySubscription[];
  readonly jobs: readonly JobRegistration[];
  /** Milliseconds that its handlers take, and the shares of those that fail and of those that never end. */
  readonly handlerMs: readonly [number, number];
  readonly fails: number;
  readonly hangs: number;
}

export type Action = { readonly at: number } & (
  | { readonly kind: 'publish'; readonly replica: number; readonly name: string; readonly key: string }
  | { readonly kind: 'crash' | 'restart' | 'freeze' | 'cut'; readonly replica: number; readonly forMs: number }
  | { readonly kind: 'outage' | 'slow'; readonly forMs: number }
  | { readonly kind: 'step'; readonly replica: number; readonly byMs: number }
  | {
      readonly kind: 'uninstall' | 'install' | 'upgrade' | 'disable' | 'enable';
      readonly replica: number;
      readonly plugin: string;
    }
  | { readonly kind: 'redeliver'; readonly plugin: string }
  | {
      readonly kind: 'pause' | 'resume' | 'run';
      readonly replica: number;
      readonly plugin: string;
      readonly job: string;
    }
);

/** How long things go wrong, and how long they may take to become right again. */
export const CHAOS_MS = 15_000;
export const HEAL_MS = 30_000;

/** The proportions of the real ones, in less time: there are some hundred times more crashes than in life. */
export const SIMULATED_DELIVERIES: DeliveryLimits = {
  ...DELIVERY_LIMITS,
  maxAttempts: 4,
  backoff: { baseMs: 200, factor: 4, maxMs: 2_000 },
  deadlineMs: 1_000,
  leaseMarginMs: 1_000,
  perPlugin: 3,
  global: 8,
  notReadyMs: 200,
  pollMs: 1_000,
  settleBatch: 4,
  settleRetryMs: 50,
  drainMs: 300,
};

export const SIMULATED_SCHEDULES: ScheduleLimits = {
  ...SCHEDULE_LIMITS,
  runDeadlineMs: 2_500,
  overlapping: 3,
  waiting: 4,
  maxSleepMs: 5_000,
  lateMs: 3_000,
  catchUps: 5,
  leaseMs: 1_500,
  keepMs: 500,
  reconcileMs: 500,
  againMs: 100,
  retryBaseMs: 300,
  retryMaxMs: 2_000,
  drainMs: 300,
};

const PLUGINS: readonly [PluginPlan, ...PluginPlan[]] = [
  plugin('steady', { subscriptions: [{ pattern: 'order.*' }], handlerMs: [1, 30] }),
  plugin('keyed', { subscriptions: [{ pattern: 'order.*', orderBy: 'key' }], fails: 0.15 }),
  plugin('narrow', { subscriptions: [{ pattern: 'order.placed', concurrency: 1 }], handlerMs: [20, 150] }),
  plugin('both', { subscriptions: [{ pattern: '*', orderBy: 'key', concurrency: 2 }], fails: 0.1, hangs: 0.03 }),
  plugin('broken', { subscriptions: [{ pattern: 'order.paid' }, { pattern: '*' }], fails: 1 }),
  plugin('hangs', { subscriptions: [{ pattern: 'order.*' }], hangs: 0.3 }),
  plugin('clockwork', {
    jobs: [job('each-second', 'allow', 'all'), job('one-by-one', 'queue', 'none', { retries: 2 })],
    fails: 0.2,
    handlerMs: [10, 900],
  }),
  plugin('relaxed', {
    subscriptions: [{ pattern: 'order.placed' }],
    jobs: [
      job('skips', 'skip', 'last', { when: { everyMs: 1_300 }, jitterMs: 400 }),
      job('cron', 'allow', 'none', { when: { cron: '*/2 * * * * *', timezone: 'UTC' } }),
    ],
    handlerMs: [50, 700],
    hangs: 0.02,
  }),
];

/** The plan of a seed: always the same. */
export function planOf(seed: number): Plan {
  const random = randomOf(`plan ${seed}`);
  const calm = random.chance(0.2);
  const plugins = PLUGINS.filter(() => random.chance(0.6));
  if (plugins.length === 0) plugins.push(PLUGINS[0]);
  const actions = [...publishes(random), ...(calm ? [] : trouble(random)), ...changes(random, plugins, calm)];
  return {
    seed,
    calm,
    replicas: Array.from({ length: 3 }, () => ({
      skewMs: random.int(-5_000, 5_000),
      drift: (random.next() - 0.5) / 50,
    })),
    plugins,
    actions: actions.sort((a, b) => a.at - b.at),
    flaky: calm ? 0 : random.pick([0, 0, 0.01, 0.05]),
    deaf: random.pick([0, 0.1, 0.5, 1]),
  };
}

function publishes(random: Random): Action[] {
  const burst = random.chance(0.3);
  return Array.from({ length: random.int(5, 40) }, () => ({
    kind: 'publish',
    at: burst ? random.int(2_000, 3_000) : random.int(500, CHAOS_MS),
    replica: random.int(0, 2),
    name: random.pick(['order.placed', 'order.paid', 'order.sent']),
    key: random.pick(['a', 'b', 'c']),
  }));
}

function trouble(random: Random): Action[] {
  return Array.from({ length: random.int(1, 8) }, (): Action => {
    const at = random.int(500, CHAOS_MS);
    const replica = random.int(0, 2);
    const kind = random.pick(['crash', 'crash', 'crash', 'restart', 'freeze', 'cut', 'outage', 'slow', 'step']);
    switch (kind) {
      case 'outage':
      case 'slow':
        return { kind, at, forMs: random.int(50, 3_000) };
      case 'step':
        return { kind, at, replica, byMs: random.int(-10_000, 10_000) };
      default:
        return { kind, at, replica, forMs: random.int(20, 4_000) };
    }
  });
}

const CHANGES = ['upgrade', 'uninstall', 'disable', 'redeliver', 'pause', 'run'] as const;

function changes(random: Random, plugins: readonly PluginPlan[], calm: boolean): Action[] {
  const count = random.int(0, 4);
  const changed: Action[] = [];
  for (let i = 0; i < count; i++) {
    const { name: plugin, jobs } = random.pick(plugins as [PluginPlan, ...PluginPlan[]]);
    const at = random.int(500, CHAOS_MS);
    const replica = random.int(0, 2);
    const back = { at: at + random.int(50, 3_000), replica: random.int(0, 2), plugin };
    const jobName = jobs[random.int(0, Math.max(0, jobs.length - 1))]?.name;
    const kind = calm ? 'upgrade' : random.pick(CHANGES);
    if (kind === 'upgrade') changed.push({ kind, at, replica, plugin });
    else if (kind === 'redeliver') changed.push({ kind, at, plugin });
    else if (kind === 'uninstall') changed.push({ kind, at, replica, plugin }, { kind: 'install', ...back });
    else if (kind === 'disable') changed.push({ kind, at, replica, plugin }, { kind: 'enable', ...back });
    else if (jobName === undefined) continue;
    else if (kind === 'run') changed.push({ kind, at, replica, plugin, job: jobName });
    else changed.push({ kind: 'pause', at, replica, plugin, job: jobName }, { kind: 'resume', ...back, job: jobName });
  }
  return changed;
}

function plugin(name: string, change: Partial<PluginPlan>): PluginPlan {
  return { name, subscriptions: [], jobs: [], handlerMs: [1, 100], fails: 0, hangs: 0, ...change };
}

function job(
  name: string,
  overlap: JobRegistration['overlap'],
  catchUp: JobRegistration['catchUp'],
  change: Partial<JobRegistration> = {},
): JobRegistration {
  return {
    kind: 'job',
    handler: 1,
    name,
    when: { everyMs: 1_000 },
    overlap,
    catchUp,
    jitterMs: 0,
    retries: 0,
    ...change,
  };
}
