// What the guest has beyond lib.webworker.d.ts. Part of globals.d.ts (../build-globals.ts).

interface MessagePort {
  /** The other port was closed or is gone. */
  onclose: ((this: MessagePort, event: Event) => unknown) | null;
}

interface Request {
  readonly duplex: 'half';
}

/** A bound of the platform was reached, such as the number of timers. */
interface QuotaExceededError extends DOMException {
  /** Null where they are not known. */
  readonly quota: number | null;
  readonly requested: number | null;
}

declare var QuotaExceededError: {
  prototype: QuotaExceededError;
  new (message?: string, options?: { quota?: number; requested?: number }): QuotaExceededError;
};
