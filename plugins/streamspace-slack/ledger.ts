import type { StorageApi } from '@streamspace/sdk';

const HOUR_MS = 3_600_000;
const TOLD_SECONDS = 86_400;

interface Failure {
  readonly time: string;
  readonly status: number | null;
  readonly error: string;
}

/** What must outlive a reload, and be one for all replicas: counters, the hourly budget, which events were told. */
export function createLedger(storage: StorageApi) {
  const number = async (key: string) => (await storage.get<number>(key)) ?? 0;

  return {
    /** Takes one message of the hour's budget; `first` is true for the first one of the hour that was over it. */
    async take(limit: number, now: number): Promise<{ granted: true } | { granted: false; first: boolean }> {
      if ((await storage.increment(sentKey(now))) <= limit) return { granted: true };
      await storage.increment(sentKey(now), -1);
      await storage.increment('total/suppressed');
      return { granted: false, first: (await storage.increment(suppressedKey(now))) === 1 };
    },
    /** Gives it back: the message was not sent and will be tried again. */
    async giveBack(takenAt: number): Promise<void> {
      await storage.increment(sentKey(takenAt), -1);
    },
    /** The hours that are over, with how many messages were left out in each (0 for most). */
    async pastHours(now: number): Promise<{ start: number; suppressed: number }[]> {
      const { entries } = await storage.list<number>({ prefix: 'hour/', limit: 1000 });
      const hours = new Map<number, number>();
      for (const { key, value } of entries) {
        const [, start, what] = key.split('/');
        const before = hours.get(Number(start)) ?? 0;
        hours.set(Number(start), what === 'suppressed' ? value : before);
      }
      return [...hours]
        .map(([start, suppressed]) => ({ start, suppressed }))
        .filter(({ start }) => start < hourOf(now));
    },
    async forgetHour(start: number): Promise<void> {
      await Promise.all([storage.delete(sentKey(start)), storage.delete(suppressedKey(start))]);
    },
    /** An event may be delivered twice; it is told once. */
    wasTold: async (eventId: string) => (await storage.get(`told/${eventId}`)) !== null,
    async markTold(eventId: string): Promise<void> {
      await storage.set(`told/${eventId}`, true, { ttl: TOLD_SECONDS });
    },
    /** Milliseconds for which Slack still wants quiet. */
    quietLeft: async (now: number) => Math.max(0, (await number('quiet-until')) - now),
    async keepQuiet(ms: number, now: number): Promise<void> {
      await storage.set('quiet-until', now + ms, { ttl: Math.ceil(ms / 1000) });
    },
    async countSend(failure: Failure | null): Promise<void> {
      await storage.increment(failure === null ? 'total/sent' : 'total/failed');
      if (failure !== null) await storage.set('last-failure', failure);
    },
    async status(now: number) {
      const [sent, failed, suppressed, hourSent, hourSuppressed] = await Promise.all(
        ['total/sent', 'total/failed', 'total/suppressed', sentKey(now), suppressedKey(now)].map(number),
      );
      return {
        total: { sent, failed, suppressed },
        window: { start: new Date(hourOf(now)).toISOString(), sent: hourSent, suppressed: hourSuppressed },
        lastFailure: await storage.get<Failure>('last-failure'),
      };
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;

function hourOf(time: number): number {
  return Math.floor(time / HOUR_MS) * HOUR_MS;
}

function sentKey(time: number): string {
  return `hour/${hourOf(time)}/sent`;
}

function suppressedKey(time: number): string {
  return `hour/${hourOf(time)}/suppressed`;
}
