import { seeded } from './seeded.ts';

export type Random = ReturnType<typeof seeded>;

const { FUZZ_SEED, FUZZ_ROUNDS } = process.env;

/** The seeds of a fuzz test: those that always run, and the one of the environment (`FUZZ_SEED`). */
export function seeds(...fixed: readonly number[]): number[] {
  return FUZZ_SEED === undefined ? [...fixed] : [...fixed, Number(FUZZ_SEED)];
}

/**
 * Runs a round again and again, each with numbers of its own. The failure says how to run that round alone.
 *
 * @param usual rounds when the environment has no `FUZZ_ROUNDS`
 */
export async function fuzz(seed: number, usual: number, round: (random: Random) => unknown): Promise<void> {
  const rounds = FUZZ_ROUNDS === undefined ? usual : Number(FUZZ_ROUNDS);
  for (let nth = 0; nth < rounds; nth += 1) {
    try {
      await round(seeded(seed + nth));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`FUZZ_SEED=${seed + nth} FUZZ_ROUNDS=1 fails again: ${reason}`, { cause });
    }
  }
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}

/** Numbers at which something turns over. */
const EDGES = [
  0, 1, 15, 16, 19, 20, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 1_200_000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

/** The bytes with one to four things wrong. */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = 1 + random.below(4); left > 0; left -= 1) changed = mutateOnce(random, changed);
  return changed;
}

function mutateOnce(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + random.below(64));
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, part, part, after]);
    case 2:
      return Buffer.concat([before, random.bytes(1 + random.below(32)), part, after]);
    case 3:
      return Buffer.from(before);
    case 4: {
      const changed = Buffer.from(bytes);
      if (at < bytes.length) changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      return changed;
    }
    default: {
      const changed = Buffer.from(bytes);
      if (at + 4 <= bytes.length) changed.writeUInt32LE(pick(random, EDGES), at);
      return changed;
    }
  }
}

/** What JSON is made of, and what is made to look like it. */
const TOKENS = [
  ...'{}[]",:\\0-e.',
  ...['null', 'true', 'NaN', 'Infinity', '-Infinity', '1e400', '-1', '9007199254740993', '1e-400', '0x10', '01'],
  ...['"__proto__":', '"constructor":', '"prototype":', '{"__proto__":{"polluted":1}}', '"toString":null,'],
  ...[
    '\\u0000',
    '\\ud800',
    '\\udc00\\ud800',
    '\ud800',
    '\ufffd',
    '\u2028',
    '\0',
    '\\x',
    '"\\',
    '/**/',
    "'",
    '`',
    '\ufeff',
  ],
  ...['[[[[[[[[[[', ']]]]]]]]]]', '['.repeat(70), '{"a":'.repeat(70)],
];

/** The text with one to four things wrong. */
export function mutateText(random: Random, text: string): string {
  let changed = text;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const at = random.below(changed.length + 1);
    const to = Math.min(changed.length, at + random.below(12));
    const [before, part, after] = [changed.slice(0, at), changed.slice(at, to), changed.slice(to)];
    const token = pick(random, TOKENS);
    changed = pick(random, [
      before + after,
      before + token + part + after,
      before + token + after,
      before,
      part + part,
    ]);
  }
  return changed;
}

/** Any JSON value, up to so many levels deep. */
export function randomJson(random: Random, depth = 4): unknown {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return null;
    case 1:
      return random.below(2) === 0;
    case 2:
      return pick(random, [
        0,
        -0,
        -1,
        1.5,
        1e21,
        Number.MAX_SAFE_INTEGER,
        Number.MIN_VALUE,
        -Number.MAX_VALUE,
        random.below(1_000),
      ]);
    case 3:
      return pick(random, ['', '__proto__', '\0', '\ud800', '\\"', '\n\u2028', 'é𝄞', '9'.repeat(400), '[{[{']);
    case 4:
      return `text ${random.below(1_000)}`;
    case 5:
      return Array.from({ length: random.below(4) }, () => randomJson(random, depth - 1));
    default: {
      const names = ['__proto__', 'constructor', 'prototype', 'toString', 'then', 'a', 'b', '', '0', 'ключ'];
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [pick(random, names), randomJson(random, depth - 1)]),
      );
    }
  }
}
