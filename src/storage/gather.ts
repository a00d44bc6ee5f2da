/** One thing that was asked, until it is settled. */
export interface Asked<Ask, Answer> {
  readonly ask: Ask;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface GatherOptions<Ask, Answer> {
  /** Settles all that it is given; when it fails, what it left fails with it. */
  readonly run: (group: string, asked: readonly Asked<Ask, Answer>[]) => Promise<void>;
  /** Runs of one group at a time; what comes meanwhile waits for the next. */
  readonly atOnce: number;
  /** Asked things of one run. */
  readonly most: number;
}

interface Group<Ask, Answer> {
  waiting: Asked<Ask, Answer>[];
  running: number;
  scheduled: boolean;
}

/**
 * Collects what is asked of a group within one turn of the event loop, and while earlier runs of it are under way, and runs
 * that together. Nothing joins a run that has begun.
 */
export function createGather<Ask, Answer>({ run, atOnce, most }: GatherOptions<Ask, Answer>) {
  const groups = new Map<string, Group<Ask, Answer>>();

  function flush(name: string, group: Group<Ask, Answer>): void {
    while (group.waiting.length > 0 && group.running < atOnce) {
      const asked = group.waiting.splice(0, most);
      group.running += 1;
      run(name, asked)
        // Nothing happens to those that are settled.
        .catch((error: unknown) => {
          for (const { reject } of asked) reject(error);
        })
        .then(() => {
          group.running -= 1;
          if (group.waiting.length > 0) flush(name, group);
          else if (group.running === 0 && !group.scheduled) groups.delete(name);
        });
    }
  }

  return (name: string, ask: Ask): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const group = groups.get(name) ?? { waiting: [], running: 0, scheduled: false };
      groups.set(name, group);
      group.waiting.push({ ask, resolve, reject });
      if (group.scheduled || group.running >= atOnce) return;
      group.scheduled = true;
      setImmediate(() => {
        group.scheduled = false;
        flush(name, group);
      });
    });
}

/** What was asked, by the key that it is about; keys and asked things in the order in which they came. */
export function byKey<One>(asked: readonly One[], keyOf: (one: One) => string): Map<string, One[]> {
  const groups = new Map<string, One[]>();
  for (const one of asked) {
    const group = groups.get(keyOf(one));
    if (group === undefined) groups.set(keyOf(one), [one]);
    else group.push(one);
  }
  return groups;
}
