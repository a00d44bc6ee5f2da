import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { expectSwept } from '../kit/kills/leftovers.ts';
import { Played } from '../kit/kills/scenes.ts';
import { type Victim, World } from '../kit/kills/world.ts';
import { seeded } from '../kit/seeded.ts';

// SIGKILL of the core, of the isolate hosts or of PostgreSQL in the middle of changes: afterwards each is done or not begun,
// never between (issue 5). All changes are under way at each kill, each at a moment of its own.

setDefaultTimeout(60_000);

/** KILL_TIMES=3 kills three times as often; once is 20 kills, each at six moments of changes, in a minute. */
const TIMES = Number(process.env.KILL_TIMES ?? 1);
/** How often each is killed: a core takes two seconds to start, the others are back sooner. */
const KILLS: Readonly<Record<Victim, number>> = {
  core: 5 * TIMES,
  host: 7 * TIMES,
  postgres: 3 * TIMES,
  backend: 5 * TIMES,
};
/** Seed of the first kill; each further one has the next. */
const FIRST_SEED = 5_000;
/** Parts (of 100) of a change's time into which a kill may fall: a little beyond its usual end as well. */
const MOMENTS = 120;

/** The victims in turn, so that each finds what the others left. */
const plan = interleaved(KILLS).map((victim, at): [number, Victim] => [FIRST_SEED + at, victim]);

let world: World;
const played = Played.all();

beforeAll(async () => {
  world = await World.open();
  // The first installs them; of the others the last counts.
  for (let round = 0; round < 3; round += 1) await Promise.all(played.map((one) => one.rehearse(world.core)));
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

describe('a kill in the middle of changes', () => {
  test.each(plan)('seed %d: %s', async (seed, victim) => {
    const random = seeded(seed);
    const inMs = Math.max(...played.map(({ tookMs }) => tookMs)) * (MOMENTS / 100);
    const changes = played.map((one) => one.begin(world.core, random.below(MOMENTS) / 100, inMs));
    await Bun.sleep(inMs);
    await world.kill(victim, random.below);
    const done = await Promise.all(changes);
    await world.recover(victim);
    const torn = await Promise.all(played.map((one, at) => one.settle(world.core, done[at] === true)));
    expect(torn.filter((tear) => tear !== null)).toEqual([]);
    if (victim === 'core') await expectSwept(world);
  });
});

test('after a last start nothing is left that nothing names', async () => {
  await world.restart();
  await expectSwept(world);
});

function interleaved(counts: Readonly<Record<Victim, number>>): Victim[] {
  const all = Object.entries(counts).flatMap(([victim, count]) =>
    Array.from({ length: count }, (_, at) => ({ victim: victim as Victim, place: (at + 0.5) / count })),
  );
  return all.sort((a, b) => a.place - b.place).map(({ victim }) => victim);
}
