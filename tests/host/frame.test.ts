import { describe, expect, test } from 'bun:test';
import { type Frame, FrameError, FrameReader, FrameWriter, HEADER_BYTES } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { seeded } from '../kit/seeded.ts';

interface Plain {
  readonly kind: number;
  readonly flags: number;
  readonly lane: number;
  readonly isolate: number;
  readonly id: number;
  readonly head: string;
  readonly body: string;
}

const FRAMES: readonly Plain[] = [
  { kind: 1, flags: 0, lane: 0, isolate: 0, id: 0, head: '', body: '' },
  { kind: 255, flags: 255, lane: 65_535, isolate: 0xffff_ffff, id: 0xffff_ffff, head: '"é𝄞"', body: 'ünï' },
  { kind: 30, flags: 2, lane: 7, isolate: 3, id: 9, head: '{"a":1}', body: 'x'.repeat(70_000) },
  { kind: 12, flags: 0, lane: 1, isolate: 1, id: 1, head: 'h'.repeat(5_000), body: '' },
];

function written(frames: readonly Plain[]): Buffer {
  const writer = new FrameWriter();
  for (const { kind, flags, lane, isolate, id, head, body } of frames) {
    writer.add(kind, flags, lane, isolate, id, head, body === '' ? null : body);
  }
  return Buffer.from(writer.peek());
}

/** Reads chunks; what it calls back with is copied, as it says it has to be. */
function reading(maxBytes?: number): { reader: FrameReader; frames: Plain[] } {
  const frames: Plain[] = [];
  const keep = ({ kind, flags, lane, isolate, id, head, body }: Frame): void => {
    frames.push({ kind, flags, lane, isolate, id, head, body: body.toString('utf8') });
  };
  return { reader: new FrameReader(keep, maxBytes), frames };
}

/** A header that claims these lengths. */
function header(length: number, headLength: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(headLength, 16);
  return bytes;
}

describe('frames', () => {
  test('are read as they were written, in one piece', () => {
    const { reader, frames } = reading();
    reader.push(written(FRAMES));
    expect(frames).toEqual([...FRAMES]);
    expect(reader.pending).toBe(0);
  });

  test('are read however they are cut', () => {
    const small = written(FRAMES.slice(0, 2));
    for (let cut = 1; cut < small.length; cut += 1) {
      const { reader, frames } = reading();
      reader.push(small.subarray(0, cut));
      reader.push(small.subarray(cut));
      expect(frames).toEqual(FRAMES.slice(0, 2));
    }
    const { reader, frames } = reading();
    for (const byte of small) reader.push(Buffer.of(byte));
    expect(frames).toEqual(FRAMES.slice(0, 2));
  });

  test('do not change when the memory they were read from is used again', () => {
    const bytes = written(FRAMES);
    const chunk = Buffer.alloc(3_000);
    const { reader, frames } = reading();
    for (let at = 0; at < bytes.length; at += chunk.length) {
      const length = bytes.copy(chunk, 0, at, at + chunk.length);
      reader.push(chunk.subarray(0, length));
      chunk.fill(0xee);
    }
    expect(frames).toEqual([...FRAMES]);
  });

  test('are read when they are cut at random', () => {
    const random = seeded(20_261_121);
    for (let round = 0; round < 300; round += 1) {
      const sent = Array.from({ length: 1 + random.below(6) }, (_, id) => ({
        kind: random.below(256),
        flags: random.below(256),
        lane: random.below(65_536),
        isolate: random.below(0x1_0000_0000),
        id,
        head: 'é'.repeat(random.below(200)),
        body: 'b'.repeat(random.below(3_000)),
      }));
      const bytes = written(sent);
      const { reader, frames } = reading();
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.below(1_500);
        reader.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(frames).toEqual(sent);
      expect(reader.pending).toBe(0);
    }
  });
});

describe('what is no frame', () => {
  test.each([0, 1, 15, CHANNEL_LIMITS.frameBytes + 1, 0x7fff_ffff, 0xffff_ffff])(
    'a length of %d is refused at once, before anything is kept',
    (length) => {
      const { reader, frames } = reading();
      expect(() => reader.push(header(length, 0))).toThrow(FrameError);
      expect(frames).toEqual([]);
      expect(reader.pending).toBe(0);
    },
  );

  test('the largest length is taken', () => {
    const { reader, frames } = reading(1_000);
    reader.push(Buffer.concat([header(1_000, 0), Buffer.alloc(1_000 - 16)]));
    expect(frames).toHaveLength(1);
    expect(() => reader.push(header(1_001, 0))).toThrow(FrameError);
  });

  test.each([1, 5, 0xffff_ffff])('a head of %d bytes that is longer than its frame is refused', (headLength) => {
    const { reader } = reading();
    expect(() => reader.push(header(16, headLength))).toThrow(FrameError);
  });

  test('bytes that are no UTF-8 in a head become text, not an error', () => {
    const { reader, frames } = reading();
    reader.push(Buffer.concat([header(18, 2), Buffer.of(0xff, 0xfe)]));
    expect(frames[0]?.head).toBe('\ufffd\ufffd');
  });

  test('noise ends in a FrameError or in frames, never in anything else, and holds at most one frame', () => {
    const random = seeded(7);
    for (let round = 0; round < 2_000; round += 1) {
      const { reader } = reading(5_000);
      try {
        for (let chunk = 0; chunk < 10; chunk += 1) {
          const noise = random.bytes(random.below(400));
          // Half of them begin as a frame would, or no noise gets past the first length.
          if (chunk === 0 && round % 2 === 0 && noise.length >= 20) noise.writeUInt32LE(16 + random.below(300), 0);
          reader.push(noise);
          expect(reader.pending).toBeLessThanOrEqual(5_004);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }
  });
});

describe('the writer', () => {
  test('grows, starts over in the same memory, and hands it over', () => {
    const writer = new FrameWriter();
    writer.add(1, 0, 0, 0, 0, '', 'x'.repeat(200_000));
    expect(writer.length).toBe(HEADER_BYTES + 200_000);
    writer.reset();
    expect(writer.length).toBe(0);
    writer.add(2, 0, 0, 0, 0, 'a', null);
    const taken = writer.detach();
    writer.add(3, 0, 0, 0, 0, 'b', null);
    const { reader, frames } = reading();
    reader.push(taken);
    reader.push(writer.peek());
    expect(frames.map(({ kind, head }) => [kind, head])).toEqual([
      [2, 'a'],
      [3, 'b'],
    ]);
  });

  test('writes a body of one char a byte, bytes, or text', () => {
    const writer = new FrameWriter();
    writer.add(1, 0, 0, 0, 0, '', 'ÿ\u0000é', 'latin1');
    writer.add(1, 0, 0, 0, 0, '', Uint8Array.of(255, 0, 233));
    writer.add(1, 0, 0, 0, 0, '', 'é');
    const bodies: string[] = [];
    new FrameReader(({ body }) => bodies.push(body.toString('hex'))).push(writer.peek());
    expect(bodies).toEqual(['ff00e9', 'ff00e9', 'c3a9']);
  });
});
