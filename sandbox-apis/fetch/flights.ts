import type { Caller } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { FetchLimits } from './limits.ts';

/** One request of a plugin, redirects and body included. */
export interface Flight {
  /** Aborted with the error that the guest gets. */
  readonly signal: AbortSignal;
  /** The head is answered: from here the body's reader decides, and the total deadline. */
  landed(): void;
  /** Frees the slot; what is still open is closed with the reason, when there is one. */
  end(reason?: unknown): void;
}

const cancelled = (): CodedError => new CodedError('aborted', 'The request was cancelled');

/** Counts requests in flight a plugin and gives each its total deadline. */
export class Flights {
  readonly #limits: FetchLimits;
  readonly #inFlight = new Map<string, number>();

  constructor(limits: FetchLimits) {
    this.#limits = limits;
  }

  /** @throws CodedError `quota_exceeded` when the plugin has as many as it may, `aborted` when it is too late */
  begin(caller: Caller): Flight {
    const { inFlight, totalMs } = this.#limits;
    const now = this.#inFlight.get(caller.plugin) ?? 0;
    if (now >= inFlight) {
      throw new CodedError(
        'quota_exceeded',
        `At most ${inFlight} requests at once; read or cancel the bodies of others`,
      );
    }
    if (caller.signal.aborted) throw cancelled();
    this.#inFlight.set(caller.plugin, now + 1);

    const controller = new AbortController();
    const deadline = setTimeout(() => {
      controller.abort(new CodedError('deadline_exceeded', `The request took more than ${totalMs} ms`));
    }, totalMs);
    const aborted = (): void => controller.abort(cancelled());
    caller.signal.addEventListener('abort', aborted, { once: true });
    const landed = (): void => caller.signal.removeEventListener('abort', aborted);

    let ended = false;
    return {
      signal: controller.signal,
      landed,
      end: (reason) => {
        if (ended) return;
        ended = true;
        clearTimeout(deadline);
        landed();
        this.#free(caller.plugin);
        if (reason !== undefined) controller.abort(reason);
      },
    };
  }

  #free(plugin: string): void {
    const left = (this.#inFlight.get(plugin) ?? 0) - 1;
    if (left > 0) this.#inFlight.set(plugin, left);
    else this.#inFlight.delete(plugin);
  }
}
