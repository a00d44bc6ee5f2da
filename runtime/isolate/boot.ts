import { randomBytes } from 'node:crypto';
import ivm from 'isolated-vm';
import { GuestCrypto } from './crypto/guest-crypto.ts';
import { createSession } from './inspector.ts';
import { type BootParts, PRELUDE_FILE, type Prelude, sharedFlag, sourceOf } from './prelude.ts';

/** Bytes of strong randomness that one callback from the guest may ask for. */
const MAX_RANDOM_BYTES = 65_536;
/** Milliseconds that our own prelude may take; it takes two. */
const BOOT_MS = 10_000;

/** An isolate in which the prelude has run and no plugin yet. */
export interface Booted {
  readonly isolate: ivm.Isolate;
  readonly context: ivm.Context;
  readonly enter: ivm.Reference<BootParts['enter']>;
  readonly drain: ivm.Reference<BootParts['drain']>;
  readonly define: ivm.Reference<BootParts['define']>;
  /** Not 0 when there is something to drain. */
  readonly filled: Uint8Array<SharedArrayBuffer>;
  /** What this process does for it. */
  readonly crypto: GuestCrypto;
  /** Of an isolate that is made for inspection; else null. */
  readonly session: ivm.InspectorSession | null;
  /** What to do when V8 gives the isolate up; whoever lives in it sets it. */
  onCatastrophic: (message: string) => void;
  /** Called whenever the guest asks for something that it waits for; whoever lives in it sets it. */
  onHostCall: () => void;
}

export async function bootIsolate(prelude: Prelude, memoryMb: number, inspector = false): Promise<Booted> {
  let booted: Booted | null = null;
  const isolate = new ivm.Isolate({
    memoryLimit: memoryMb,
    inspector,
    onCatastrophicError: (message) => {
      if (booted === null) throw new Error(message);
      booted.onCatastrophic(message);
    },
  });
  const context = await isolate.createContext({ inspector });
  const script = await isolate.compileScript(prelude.code, {
    filename: PRELUDE_FILE,
    ...(prelude.cachedData === undefined ? {} : { cachedData: prelude.cachedData }),
  });
  const boot = await script.run(context, { reference: true, timeout: BOOT_MS });
  const random = new ivm.Callback((bytes: unknown) => {
    booted?.onHostCall();
    const count = typeof bytes === 'number' && bytes > 0 && bytes <= MAX_RANDOM_BYTES ? Math.floor(bytes) : 0;
    return randomBytes(count).toString('latin1');
  });
  const crypto = new GuestCrypto();
  const cryptoNow = new ivm.Callback((head: unknown, body: unknown) => {
    booted?.onHostCall();
    return crypto.now(head, body);
  });
  const filled = sharedFlag();
  const parts = (await boot.apply(
    undefined,
    [random, new ivm.ExternalCopy(filled).copyInto(), sourceOf(prelude.parts), cryptoNow],
    {
      result: { reference: true },
      timeout: BOOT_MS,
    },
  )) as ivm.Reference<BootParts>;
  booted = {
    isolate,
    context,
    enter: parts.getSync('enter', { reference: true }),
    drain: parts.getSync('drain', { reference: true }),
    define: parts.getSync('define', { reference: true }),
    filled,
    crypto,
    session: inspector ? createSession(isolate, context) : null,
    onCatastrophic: (message) => {
      throw new Error(message);
    },
    onHostCall: () => undefined,
  };
  boot.release();
  parts.release();
  return booted;
}

/**
 * Keeps one isolate booted ahead of need: a load then only has the plugin's own part to do. Isolates are used once, so
 * nothing of one plugin is ever seen by another.
 */
export class SpareIsolate {
  readonly #prelude: Prelude;
  readonly #memoryMb: number;
  #spare: Promise<Booted> | null = null;

  constructor(prelude: Prelude, memoryMb: number) {
    this.#prelude = prelude;
    this.#memoryMb = memoryMb;
  }

  /** The spare when it is of that size, else a new one. */
  take(memoryMb: number): Promise<Booted> {
    const spare = this.#spare;
    if (spare === null || memoryMb !== this.#memoryMb) return bootIsolate(this.#prelude, memoryMb);
    this.#spare = null;
    return spare;
  }

  /** One that can be inspected: never kept ahead, hardly anybody asks for it. */
  takeInspectable(memoryMb: number): Promise<Booted> {
    return bootIsolate(this.#prelude, memoryMb, true);
  }

  /** Makes another when there is none. */
  refill(): void {
    if (this.#spare !== null) return;
    const spare = bootIsolate(this.#prelude, this.#memoryMb);
    this.#spare = spare;
    spare.catch(() => {
      // Whoever asks next makes one of its own, and tells of the failure.
      if (this.#spare === spare) this.#spare = null;
    });
  }
}
