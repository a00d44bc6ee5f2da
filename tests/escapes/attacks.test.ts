import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { ATTACKS } from './attacks/all.ts';
import { Arena, HEALTHY, type Outcome } from './attacks/arena.ts';
import { type Attack, allowed } from './attacks/attack.ts';
import { HEAD, markdown, rowOf } from './attacks/table.ts';

// 20 healthy plugins under steady load, and each attack of ADVERSARY 1 and 3 on a 21st (issue 3). How long it takes is
// measured in bench/attacks.ts; here the bound only tells an outage from a machine that is busy.

setDefaultTimeout(60_000);

/** Milliseconds between two requests of the same healthy plugin. */
const PACE_MS = 100;
/**
 * Milliseconds that a healthy plugin may be out in one attack. The issue says 1 s, on a machine that does nothing else: here
 * other tests run on the same two cores. What nobody ends is out for much longer.
 */
const MOST_OUT_MS = 6_000;
/** Bytes by which the core may be larger at the end: caches, the journal of some 100 uploads. */
const MOST_GROWTH_BYTES = 150 * 1024 * 1024;

let arena: Arena;
let coreBytes: number;
const outcomes: Outcome[] = [];

beforeAll(async () => {
  arena = await Arena.open(PACE_MS);
  coreBytes = arena.coreBytes();
});
afterAll(async () => {
  await arena?.[Symbol.asyncDispose]();
  process.stdout.write(`\n${markdown(HEAD, outcomes.map(rowOf))}\n`);
});

describe.each(Object.entries(ATTACKS))('%s', (_kind, attacks) => {
  test.each(attacks.map((attack): [string, Attack] => [`${attack.name} (${attack.place})`, attack]))(
    '%s',
    async (_name, attack) => {
      const outcome = await arena.suffer(attack);
      outcomes.push(outcome);
      const { answers, stops, others, notices, deaths, load } = outcome;
      const may = allowed(attack);
      expect(stops.filter((stop) => !may.stops.includes(stop))).toEqual([]);
      // Whoever asked got an answer that says what happened; never the core's own failure.
      expect(answers.filter((answer) => /^5\d\d$|internal/.test(answer))).toEqual([]);
      const wrong = answers.filter((answer) => may.answers?.includes(answer) === false);
      expect(wrong).toEqual([]);
      // A process that is lost is laid at its door; who ran at the same moment may be suspected, and that costs it nothing.
      expect(deaths.length === 0 || notices.some(({ stop }) => stop === 'process')).toBe(true);
      expect(others.filter(({ verdict }) => verdict === 'culprit')).toEqual([]);
      expect(await arena.ill()).toEqual([]);
      expect(load.flatMap(({ bad }) => bad)).toEqual([]);
      expect(
        load.map(({ target, outageMs }) => ({ target, outageMs })).filter(({ outageMs }) => outageMs > MOST_OUT_MS),
      ).toEqual([]);
    },
  );
});

test('afterwards the core is the same process, and no larger than it was', async () => {
  expect(await arena.core.api('GET', '/healthz')).toMatchObject({ status: 200 });
  expect(arena.coreBytes() - coreBytes).toBeLessThan(MOST_GROWTH_BYTES);
  const { body } = await arena.core.api('GET', '/api/plugins?enabled=true');
  expect((body.plugins as { name: string }[]).map(({ name }) => name).sort()).toEqual([...HEALTHY].sort());
});
