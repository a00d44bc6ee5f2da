/** What the answers to a steady load of requests were. */
export interface Load {
  /** How many answers there were of each status; `error` is no answer at all. */
  readonly statuses: ReadonlyMap<number | 'error', number>;
  readonly total: number;
  /** Answers that are not as they should be, the first few. */
  readonly odd: readonly string[];
  /** Resolves when `count` more answers have come. */
  more(count: number): Promise<void>;
  /** Sends nothing more and waits for what is under way. */
  stop(): Promise<void>;
}

/**
 * Asks a URL again and again, a few requests at a time.
 *
 * @param ok whether an answer is as it should be
 */
export function startLoad(url: string, ok: (response: Response, text: string) => boolean, connections = 8): Load {
  const statuses = new Map<number | 'error', number>();
  const odd: string[] = [];
  const waiting: { at: number; resolve: () => void }[] = [];
  let total = 0;
  let running = true;

  async function ask(): Promise<void> {
    while (running) {
      let status: number | 'error' = 'error';
      try {
        const response = await fetch(url);
        const text = await response.text();
        status = response.status;
        if (!ok(response, text) && odd.length < 5) odd.push(`${status} ${text.slice(0, 300)}`);
      } catch (error) {
        if (odd.length < 5) odd.push(String(error));
      }
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      total += 1;
      for (const { at, resolve } of waiting) if (total >= at) resolve();
    }
  }
  const asking = Array.from({ length: connections }, ask);
  return {
    statuses,
    odd,
    get total() {
      return total;
    },
    more: (count) => new Promise((resolve) => waiting.push({ at: total + count, resolve })),
    async stop() {
      running = false;
      await Promise.all(asking);
    },
  };
}
