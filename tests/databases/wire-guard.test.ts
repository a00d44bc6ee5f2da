import { describe, expect, test } from 'bun:test';
import { WireGuard } from '../../src/databases/wire-guard.ts';

const BUDGET = { rows: 1_000, row: 400, others: 500, copy: false };
function message(type: string, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.write(type, 0);
  buffer.writeUInt32BE(bytes - 1, 1);
  return buffer;
}
const codeOf = (guard: WireGuard, bytes: Buffer) => guard.look(bytes)?.code ?? null;

describe.each([1, 3, 7, 4_096])('in pieces of %d bytes', (size) => {
  const feed = (guard: WireGuard, bytes: Buffer): string | null => {
    for (let at = 0; at < bytes.length; at += size) {
      const code = codeOf(guard, bytes.subarray(at, at + size));
      if (code !== null) return code;
    }
    return null;
  };

  test('what fits passes, however often it is allowed anew', () => {
    const guard = new WireGuard(BUDGET);
    for (let round = 0; round < 5; round += 1) {
      guard.allow(BUDGET);
      expect(
        feed(
          guard,
          Buffer.concat([message('T', 100), message('D', 400), message('D', 400), message('C', 20), message('Z', 6)]),
        ),
      ).toBeNull();
      expect(guard.rowBytes).toBe(800);
    }
  });

  test('rows together, one row, and everything else have limits of their own', () => {
    expect(feed(new WireGuard(BUDGET), Buffer.concat([1, 2, 3].map(() => message('D', 400))))).toBe(
      'database_result_too_large',
    );
    expect(feed(new WireGuard(BUDGET), message('D', 401))).toBe('database_result_too_large');
    expect(feed(new WireGuard(BUDGET), Buffer.concat([1, 2, 3].map(() => message('N', 200))))).toBe(
      'database_result_too_large',
    );
    expect(feed(new WireGuard(BUDGET), message('E', 600))).toBe('database_result_too_large');
  });

  test('COPY in any direction is refused where it is not allowed', () => {
    for (const type of ['G', 'H', 'W']) expect(feed(new WireGuard(BUDGET), message(type, 20))).toBe('database_error');
    expect(feed(new WireGuard({ ...BUDGET, copy: true }), message('H', 20))).toBeNull();
  });
});

test('a message that is too long is refused by its header, before any of it is kept', () => {
  const header = Buffer.from([0x44, 0x40, 0, 0, 0]);
  expect(codeOf(new WireGuard(BUDGET), header)).toBe('database_result_too_large');
});
