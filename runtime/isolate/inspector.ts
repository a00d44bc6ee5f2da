import ivm from 'isolated-vm';

/** Bytes of one piece of a message to the core: a frame holds no more than 1.2 MB. */
const PIECE_BYTES = 1_048_576;

/**
 * Makes a session of an isolate in which no plugin runs yet. V8 checks that the thread which makes one holds the
 * isolate's lock; isolated-vm does not take it for that, but a call of ours into the isolate has it.
 */
export function createSession(isolate: ivm.Isolate, context: ivm.Context): ivm.InspectorSession {
  let session: ivm.InspectorSession | null = null;
  const make = new ivm.Callback(() => {
    session = isolate.createInspectorSession();
  });
  const call = isolate.compileScriptSync('(make) => make()').runSync(context, { reference: true });
  call.applySync(undefined, [make]);
  call.release();
  if (session === null) throw new Error('the inspector gave no session');
  return session;
}

/** Messages of our own, by numbers that no debugger uses. Nobody answers to the first but with a refusal. */
const WAKE = { id: -1, text: '{"id":-1,"method":"StreamSpace.wake"}' } as const;
const DISABLE = { id: -2, text: '{"id":-2,"method":"Debugger.disable"}' } as const;
/** Milliseconds until a message that is not answered is followed by one that wakes; each time twice as long. */
const WAKE_MS = { first: 20, longest: 1_000 } as const;

/**
 * V8's inspector of one isolate: messages of the Chrome DevTools Protocol in and out. There is one session in its life.
 *
 * isolated-vm may miss a message that comes in the moment in which the isolate is being paused, and hear it with the next one:
 * as long as an answer is due, others follow.
 */
export class Inspector {
  readonly #session: ivm.InspectorSession;
  /** Commands that are not answered yet. */
  #due = 0;
  #timer: NodeJS.Timeout | null = null;
  #wakeMs: number = WAKE_MS.first;
  #state: 'open' | 'ending' | 'over' = 'open';

  /** @param onPiece told of what it says, in pieces that fit into frames */
  constructor(session: ivm.InspectorSession, onPiece: (piece: Buffer, last: boolean) => void) {
    this.#session = session;
    const tell = (message: string): void => {
      if (this.#state !== 'open') return;
      const bytes = Buffer.from(message);
      for (let at = 0; at === 0 || at < bytes.length; at += PIECE_BYTES) {
        onPiece(bytes.subarray(at, at + PIECE_BYTES), at + PIECE_BYTES >= bytes.length);
      }
    };
    session.onResponse = (id, message) => {
      if (id === WAKE.id) return;
      this.#due -= 1;
      if (id === DISABLE.id) this.#dispose();
      else tell(message);
    };
    session.onNotification = tell;
  }

  /** Hands a command to V8, which answers on a thread of the pool, also while the isolate runs or is paused. */
  dispatch(command: string): void {
    if (this.#state === 'open') this.#send(command);
  }

  /** Ends the session: breakpoints go, and what is paused goes on. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#send(DISABLE.text);
  }

  #dispose(): void {
    this.#state = 'over';
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#session.dispose();
  }

  #send(command: string): void {
    this.#due += 1;
    this.#session.dispatchProtocolMessage(command);
    this.#wakeMs = WAKE_MS.first;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), this.#wakeMs);
  }

  #wake(): void {
    this.#timer = null;
    if (this.#due === 0 || this.#state === 'over') return;
    this.#session.dispatchProtocolMessage(WAKE.text);
    this.#wakeMs = Math.min(this.#wakeMs * 2, WAKE_MS.longest);
    this.#timer = setTimeout(() => this.#wake(), this.#wakeMs);
  }
}
