import type { LoadHead } from '../protocol/messages.ts';

/**
 * Decides how the host enters an isolate. On the main thread an entry costs about 5 us but its neighbours wait while it
 * runs; on a pool thread it costs about 60 us and nobody waits. So a lane (a handler, say) starts on the pool and moves
 * to the main thread when it has shown that it is quick; one slow run sends it back.
 */
export const LANE_RULES = {
  /** Quick runs in a row that earn the main thread. */
  provenRuns: 3,
  /** Milliseconds a message that still count as quick: what a neighbour does not notice. */
  quickMs: 1,
  /** Milliseconds an entry on the main thread after which the lane has to prove itself again. */
  slowMs: 8,
  /** A plugin that was given more CPU a call than this (ms) is never run on the main thread: it may block it as long. */
  mainThreadCpuMs: 500,
} as const;

export class Lanes {
  readonly #runs = new Map<number, number>();
  readonly #allowed: boolean;

  constructor({ cpuMs, onPool }: Pick<LoadHead, 'cpuMs' | 'onPool'>) {
    this.#allowed = !onPool && cpuMs <= LANE_RULES.mainThreadCpuMs;
  }

  isQuick(lane: number): boolean {
    return this.#allowed && (this.#runs.get(lane) ?? 0) >= LANE_RULES.provenRuns;
  }

  /** Tells how long one entry took that carried these lanes. */
  record(lanes: readonly number[], milliseconds: number): void {
    const each = milliseconds / lanes.length;
    for (const lane of lanes) {
      const runs = this.#runs.get(lane) ?? 0;
      const quick = each <= LANE_RULES.quickMs && milliseconds <= LANE_RULES.slowMs;
      const next = quick ? Math.min(runs + 1, LANE_RULES.provenRuns) : 0;
      if (next !== runs) this.#runs.set(lane, next);
    }
  }
}
