import type { HostCall } from '../broker/call-trail.ts';
import type { Guest, Loss } from '../host/guest.ts';
import type { Inhabitant } from '../plugins/loader.ts';
import type { Cause, PostMortemFacts } from './record.ts';

/** Who lived in the isolate. */
export interface Deceased extends Pick<Inhabitant, 'plugin' | 'version' | 'stacks'> {
  readonly limits: Pick<Inhabitant['limits'], 'memoryMb' | 'cpuMsPerCall'>;
}

/** An isolate that is lost, or that a call was not answered by in time. */
export interface Death extends Omit<Loss, 'reason'> {
  readonly reason: Loss['reason'] | 'deadline';
}

/**
 * What is known of a death, as of now: call it at once, before the trail of the isolate is dropped.
 *
 * @returns null for what needs no post-mortem: an isolate that was let go, whose bundle did not run (its error says why), or
 *   that went with its process and had no part in it
 */
export function describeLoss(
  guest: Pick<Guest, 'heapBytes' | 'cpuMs' | 'home'>,
  { plugin, version, limits, stacks }: Deceased,
  { reason, verdict, error, ...death }: Death,
  lastCalls: readonly HostCall[],
): Omit<PostMortemFacts, 'outcome'> | null {
  if (reason === 'disposed' || reason === 'load' || verdict === 'bystander') return null;
  const { home } = guest;
  return {
    plugin,
    version,
    cause: reason,
    verdict,
    detail: detailOf(reason, death.detail, limits),
    host: home === null ? null : { pid: home.pid, placement: home.placement, rssBytes: home.rss },
    underWay: death.underWay.map(({ what, ms }) => ({ what, ms: Math.round(ms) })),
    lastCalls,
    heap: {
      usedBytes: guest.heapBytes,
      limitBytes: limits.memoryMb * 1024 * 1024,
      cpuMs: Math.round(guest.cpuMs),
    },
    stack: error === null || error.stack === '' ? null : stacks.map(error.stack),
  };
}

function detailOf(cause: Cause, said: string, limits: Deceased['limits']): string {
  switch (cause) {
    case 'cpu':
      return `It ran on for more than its ${limits.cpuMsPerCall} ms: ${said}`;
    case 'memory':
      return `It used more than its ${limits.memoryMb} MB: ${said}`;
    case 'protocol':
      return `It broke the protocol of its isolate: ${said}`;
    case 'catastrophic':
      return `V8 gave its isolate up: ${said}`;
    case 'deadline':
      return `A call was not answered within its deadline: ${said}`;
    case 'host':
      return `Its process was lost: ${said}`;
  }
}
