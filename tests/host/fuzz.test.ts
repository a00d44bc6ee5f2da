import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { type Outgoing, readMailbox } from '../../runtime/isolate/mailbox.ts';
import { type Frame, FrameError, FrameReader, FrameWriter } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG } from '../../runtime/protocol/messages.ts';
import { decodeGuestError, decoder, parseLimited } from '../../src/host/decode.ts';
import { fuzz, mutateBytes, mutateText, pick, type Random, randomJson, seeds } from '../kit/fuzz.ts';

// Everything that reads what a host or a guest wrote, against what no host and no guest would write (issue 3, point 7).
// FUZZ_SEED and FUZZ_ROUNDS run one more seed, and longer.

setDefaultTimeout(600_000);

const SEEDS = seeds(1, 20_261_121, 0xffff_0000);
const bareObject = (): string[] => Object.getOwnPropertyNames(Object.prototype).sort();
const UNTOUCHED = bareObject();

type Plain = Omit<Frame, 'body'> & { readonly body: string };

function randomFrames(random: Random): Plain[] {
  return Array.from({ length: 1 + random.below(8) }, () => ({
    kind: random.below(256),
    flags: random.below(256),
    lane: random.below(65_536),
    isolate: random.below(0x1_0000_0000),
    id: random.below(0x1_0000_0000),
    head: pick(random, ['', JSON.stringify(randomJson(random)).toWellFormed(), 'é𝄞'.repeat(random.below(50))]),
    body: 'b'.repeat(random.below(3) === 0 ? random.below(20_000) : random.below(50)),
  }));
}

function written(frames: readonly Plain[]): Buffer {
  const writer = new FrameWriter();
  for (const { kind, flags, lane, isolate, id, head, body } of frames) {
    writer.add(kind, flags, lane, isolate, id, head, body);
  }
  return Buffer.from(writer.peek());
}

/** Cuts bytes up anyhow: single bytes, pieces, the rest at once; each in memory that is used again afterwards. */
function* splits(random: Random, bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = pick(random, [1, 1 + random.below(4), 1 + random.below(60), 1 + random.below(5_000), bytes.length]);
    const part = Buffer.from(bytes.subarray(at, at + size));
    yield part;
    part.fill(0xee);
    at += size;
  }
}

describe.each(SEEDS)('seed %d', (seed) => {
  test('frames come out as they went in, however they are cut', () =>
    fuzz(seed, 150, (random) => {
      const sent = randomFrames(random);
      const came: Plain[] = [];
      const reader = new FrameReader((frame) => came.push({ ...frame, body: frame.body.toString() }));
      for (const part of splits(random, written(sent))) reader.push(part);
      expect(came).toEqual(sent);
      expect(reader.pending).toBe(0);
    }));

  test('frames that were damaged end in a FrameError or in frames; no more is held than one may have', () =>
    fuzz(seed, 600, (random) => {
      const limit = 30_000;
      const sent = randomFrames(random);
      const bytes = mutateBytes(random, written(sent));
      let handed = 0;
      const reader = new FrameReader((frame) => {
        handed += frame.body.length;
        expect(frame.kind).toBeWithin(0, 256);
        expect(frame.lane).toBeWithin(0, 65_536);
        expect(frame.isolate).toBeWithin(0, 0x1_0000_0000);
      }, limit);
      try {
        for (const part of splits(random, bytes)) {
          reader.push(part);
          expect(reader.pending).toBeLessThanOrEqual(limit + 4);
        }
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
      }
      expect(handed).toBeLessThanOrEqual(bytes.length);
    }));

  test('text that is nearly JSON is what JSON.parse says it is, or nothing', () =>
    fuzz(seed, 1_500, (random) => {
      const text = mutateText(random, JSON.stringify(randomJson(random, 6)));
      const parsed = parseLimited(text);
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expected = undefined;
      }
      if (parsed === undefined)
        expect(expected === undefined || depthOf(expected) > CHANNEL_LIMITS.jsonDepth).toBe(true);
      else {
        expect(depthOf(parsed)).toBeLessThanOrEqual(CHANNEL_LIMITS.jsonDepth);
        expect(JSON.stringify(parsed)).toBe(JSON.stringify(expected));
      }
      expect(bareObject()).toEqual(UNTOUCHED);
    }));

  const Shape = Type.Object(
    {
      name: Type.String({ maxLength: 20 }),
      count: Type.Integer({ minimum: 0, maximum: 100 }),
      ratio: Type.Number(),
      list: Type.Array(Type.Tuple([Type.Integer(), Type.Boolean()]), { maxItems: 3 }),
      extra: Type.Optional(Type.Record(Type.String({ maxLength: 10 }), Type.String())),
    },
    { additionalProperties: false },
  );
  const decode = decoder(Shape);

  test('what a decoder lets through has the types that it says, and nothing more', () =>
    fuzz(seed, 1_500, (random) => {
      const whole = { name: 'n', count: 3, ratio: 0.5, list: [[1, true]], extra: { a: 'b' } };
      const value = decode(mutateText(random, JSON.stringify(whole)));
      if (value === undefined) return;
      expect(Object.keys(value).filter((key) => !Object.hasOwn(whole, key))).toEqual([]);
      expect(typeof value.name).toBe('string');
      expect(Number.isInteger(value.count) && value.count >= 0 && value.count <= 100).toBe(true);
      expect(Number.isFinite(value.ratio)).toBe(true);
      for (const [number, flag] of value.list) expect([typeof number, typeof flag]).toEqual(['number', 'boolean']);
      for (const text of Object.values(value.extra ?? {})) expect(typeof text).toBe('string');
    }));

  test('an error of a guest is four short texts, whatever it was', () =>
    fuzz(seed, 800, (random) => {
      const whole = { name: 'TypeError', message: 'm', stack: 's', code: pick(random, ['c', null]) };
      const text = pick(random, [
        mutateText(random, JSON.stringify(whole)),
        JSON.stringify({ ...whole, [pick(random, ['name', 'message', 'stack', 'code'])]: randomJson(random) }),
        JSON.stringify({ ...whole, message: 'x'.repeat(200_000) }),
      ]);
      const { name, message, stack, code, ...rest } = decodeGuestError(text);
      expect([typeof name, typeof message, typeof stack, rest]).toEqual(['string', 'string', 'string', {}]);
      expect(code === null || typeof code === 'string').toBe(true);
      expect(name.length + message.length + stack.length + (code?.length ?? 0)).toBeLessThan(40_000);
    }));

  test('a mailbox is read as it was posted, or refused; never is more handed out than it holds', () =>
    fuzz(seed, 3_000, (random) => {
      const posted: Outgoing[] = Array.from({ length: random.below(5) }, () => {
        const flags = random.below(256);
        const body = (flags & FLAG.body) === 0 ? null : pick(random, ['', 'body', ';,\n0', '\u0000ÿ']);
        return {
          kind: random.below(256),
          id: random.below(0x1_0000_0000),
          flags,
          head: pick(random, ['', '"h"']),
          body,
        };
      });
      const index = posted.map(
        ({ kind, id, flags, head, body }) => `${kind},${id},${flags},${head.length},${body?.length ?? 0};`,
      );
      const text = `${index.join('')}\n${posted.map(({ head, body }) => head + (body ?? '')).join('')}`;
      expect(read(text)).toEqual(posted);

      const damaged = mutateText(random, text);
      const came = read(damaged);
      const handed = came.reduce((sum, { head, body }) => sum + head.length + (body?.length ?? 0), 0);
      expect(handed).toBeLessThanOrEqual(damaged.length);
      for (const { kind, id, flags } of came) {
        expect(kind <= 255 && flags <= 255 && id <= 0xffff_ffff).toBe(true);
      }
    }));
});

/** What of a mailbox was handed out until it was refused, if it was. */
function read(text: string): Outgoing[] {
  const came: Outgoing[] = [];
  try {
    readMailbox(text, (message) => came.push(message));
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('mailbox')) throw error;
  }
  return came;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
