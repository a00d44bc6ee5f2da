import type { DeliveryLimits } from './limits.ts';

/**
 * How many deliveries each plugin may start now: an even share of the free slots, those with the fewest in flight first,
 * so that no plugin can keep the slots of the others.
 * @param due plugins with something due
 * @param busy deliveries in flight, by plugin
 */
export function allot(
  due: readonly string[],
  busy: ReadonlyMap<string, number>,
  limits: Pick<DeliveryLimits, 'perPlugin' | 'global'>,
): Map<string, number> {
  const inFlight = (plugin: string) => busy.get(plugin) ?? 0;
  let free = limits.global - [...busy.values()].reduce((sum, n) => sum + n, 0);
  const waiting = due.filter((plugin) => inFlight(plugin) < limits.perPlugin);
  waiting.sort((a, b) => inFlight(a) - inFlight(b));
  const share = Math.max(1, Math.floor(free / Math.max(1, waiting.length)));
  const slots = new Map<string, number>();
  for (const plugin of waiting) {
    const n = Math.min(share, limits.perPlugin - inFlight(plugin), free);
    if (n <= 0) break;
    slots.set(plugin, n);
    free -= n;
  }
  return slots;
}
