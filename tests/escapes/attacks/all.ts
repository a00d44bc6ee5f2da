import type { Attack } from './attack.ts';
import { FLOODS } from './floods.ts';
import { LOOPS } from './loops.ts';
import { MEMORY } from './memory.ts';
import { PLACED } from './places.ts';
import { THROWS } from './throws.ts';

/** Every attack, by kind, but those that last long (SLOW in places.ts). */
export const ATTACKS: Readonly<Record<string, readonly Attack[]>> = {
  loops: LOOPS,
  throws: THROWS,
  memory: MEMORY,
  floods: FLOODS,
  places: PLACED,
};
