import ivm from 'isolated-vm';

/** Milliseconds between two looks of the watchdog: how much later than its deadline an entry may be ended. */
const POLL_MS = 10;
/** Looks without anything running after which the watchdog sleeps until it is woken. */
const IDLE_POLLS = 20;
/** Megabytes; the smallest that V8 takes. */
const MEMORY_MB = 8;

/** Words that the host's main thread and the watchdog share. */
const WORD = {
  /** Token of the entry under way; 0 when there is none; negative when the watchdog ended it. */
  running: 0,
  /** Number of the isolate that runs. */
  isolate: 1,
  /** Looks that it may last. */
  polls: 2,
  /** 1 while the watchdog sleeps. */
  asleep: 3,
  /** Changes of the list of isolates that were asked for. */
  changes: 4,
  /** 1 when the process ends. */
  stop: 5,
} as const;

/** Runs in an isolate of its own, on a thread of isolated-vm's pool. It counts its looks: no clock can be set back on it. */
const SCRIPT = `(words) => {
  const isolates = new Map();
  let changed = 0;
  return {
    change(id, isolate) {
      changed += 1;
      if (isolate === undefined) isolates.delete(id);
      else isolates.set(id, isolate);
    },
    watch() {
      let seen = 0;
      let polls = 0;
      let idle = 0;
      while (Atomics.load(words, ${WORD.stop}) === 0 && Atomics.load(words, ${WORD.changes}) === changed) {
        if (idle >= ${IDLE_POLLS}) {
          idle = 0;
          Atomics.store(words, ${WORD.asleep}, 1);
          if (Atomics.load(words, ${WORD.running}) === 0) Atomics.wait(words, ${WORD.asleep}, 1);
          Atomics.store(words, ${WORD.asleep}, 0);
          continue;
        }
        Atomics.wait(words, ${WORD.changes}, changed, ${POLL_MS});
        const token = Atomics.load(words, ${WORD.running});
        if (token <= 0) {
          idle += 1;
          continue;
        }
        idle = 0;
        polls = token === seen ? polls + 1 : 0;
        seen = token;
        const id = words[${WORD.isolate}];
        if (polls <= words[${WORD.polls}]) continue;
        if (Atomics.compareExchange(words, ${WORD.running}, token, -token) !== token) continue;
        isolates.get(id).dispose();
      }
    },
  };
}`;

/**
 * Ends entries on the main thread that last too long: the main thread itself cannot, and a `timeout` of isolated-vm
 * costs more than a quick handler (DESIGN 6). It stops what such a timeout stops; the rest is the heartbeat's.
 */
export class Watchdog {
  readonly #words = new Int32Array(new SharedArrayBuffer(32));
  readonly #change: ivm.Reference<(id: number, isolate?: ivm.Isolate) => void>;
  readonly #watch: ivm.Reference<() => void>;
  #token = 0;

  constructor() {
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
    const context = isolate.createContextSync();
    const script = isolate.compileScriptSync(SCRIPT).runSync(context, { reference: true });
    const words = new ivm.ExternalCopy(this.#words).copyInto();
    const parts = script.applySync(undefined, [words], { result: { reference: true } }) as ivm.Reference<{
      change: (id: number, isolate?: ivm.Isolate) => void;
      watch: () => void;
    }>;
    this.#change = parts.getSync('change', { reference: true });
    this.#watch = parts.getSync('watch', { reference: true });
    this.#resume();
    // The pool's threads are joined at exit.
    process.on('exit', () => {
      Atomics.store(this.#words, WORD.stop, 1);
      this.#rouse();
    });
  }

  /** Takes an isolate into its care; before its first entry on the main thread. */
  add(id: number, isolate: ivm.Isolate): void {
    this.#alter([id, isolate]);
  }

  remove(id: number): void {
    this.#alter([id]);
  }

  /** Tells that the main thread enters the isolate, for as many milliseconds at most. */
  begin(id: number, milliseconds: number): void {
    const words = this.#words;
    this.#token = this.#token === 0x7fff_ffff ? 1 : this.#token + 1;
    words[WORD.isolate] = id;
    words[WORD.polls] = Math.ceil(milliseconds / POLL_MS);
    Atomics.store(words, WORD.running, this.#token);
    if (Atomics.load(words, WORD.asleep) === 1) this.#rouse();
  }

  /** Tells that the entry is over; false when the watchdog ended it. */
  end(): boolean {
    return Atomics.exchange(this.#words, WORD.running, 0) > 0;
  }

  #alter(args: [id: number, isolate?: ivm.Isolate]): void {
    Atomics.add(this.#words, WORD.changes, 1);
    this.#rouse();
    this.#change.applyIgnored(undefined, args);
    this.#resume();
  }

  #resume(): void {
    this.#watch.applyIgnored(undefined, []);
  }

  #rouse(): void {
    Atomics.store(this.#words, WORD.asleep, 0);
    Atomics.notify(this.#words, WORD.asleep);
    Atomics.notify(this.#words, WORD.changes);
  }
}
