import { afterAll, describe, expect, test } from 'bun:test';
import { databaseRoom } from '../kit/database-room.ts';
import { plainDatabases } from '../kit/plain-databases.ts';
import { testDatabase } from '../kit/postgres.ts';
import { seeded } from '../kit/seeded.ts';

// The values of a plugin, through a real PostgreSQL and back.

const home = await testDatabase();
if ('url' in home.address) throw new Error('the tests have a socket');
const databases = await plainDatabases(home.address);
const { database } = databaseRoom(databases);
afterAll(async () => {
  await databases.close();
  await home.drop();
});

/** What the guest gets of an expression. */
async function got(sql: string, ...params: Parameters<typeof database.query>[1] & object): Promise<unknown> {
  const row = await database.queryRow<{ value: unknown }>(`select ${sql} as value`, params);
  return row?.value;
}

describe('what comes out', () => {
  test.each<[string, unknown]>([
    ['true', true],
    ['null::int', null],
    ['1::int2', 1],
    ['(-2147483648)::int4', -2147483648],
    ['4294967295::oid', 4294967295],
    ['9007199254740991::int8', 9007199254740991],
    ['9007199254740992::int8', 9007199254740992n],
    ['(-9007199254740991)::int8', -9007199254740991],
    ['(-9223372036854775808)::int8', -9223372036854775808n],
    ['count(*)', 1],
    ['12345678901234567890.123456789000::numeric', '12345678901234567890.123456789000'],
    [`'NaN'::numeric`, 'NaN'],
    ['1.5::float4', 1.5],
    ['0.1::float8', 0.1],
    [`'NaN'::float8`, Number.NaN],
    [`'-Infinity'::float8`, Number.NEGATIVE_INFINITY],
    [`'-0'::float8`, -0],
    [`'12.34'::money::numeric::text`, '12.34'],
    [`'2026-11-21 10:00:00.123456+02'::timestamptz`, '2026-11-21T08:00:00.123456Z'],
    [`'2026-11-21 10:00:00'::timestamptz`, '2026-11-21T10:00:00Z'],
    [`'2026-11-21 10:00:00.5'::timestamp`, '2026-11-21T10:00:00.5'],
    [`'2026-11-21'::date`, '2026-11-21'],
    [`'10:00:00.000001'::time`, '10:00:00.000001'],
    [`'10:00:00+00'::timetz`, '10:00:00Z'],
    [`'10:00:00-05:30'::timetz`, '10:00:00-05:30'],
    [`'10:00:00+05'::timetz`, '10:00:00+05:00'],
    [`'1 year 2 months 3 days 04:05:06.789'::interval`, 'P1Y2M3DT4H5M6.789S'],
    [`'infinity'::timestamptz`, 'infinity'],
    [`'-infinity'::date`, '-infinity'],
    [`'0044-03-15 10:00:00+00 BC'::timestamptz`, '0044-03-15 10:00:00+00 BC'],
    [`'12026-11-21 10:00:00+00'::timestamptz`, '12026-11-21T10:00:00Z'],
    [`'{"a": [1, null, "\\u00fc"], "__proto__": 1}'::jsonb -> 'a'`, [1, null, 'ü']],
    [`'"text"'::json`, 'text'],
    [`'null'::jsonb`, null],
    [`'\\x00ff10'::bytea`, new Uint8Array([0, 255, 16])],
    [`''::bytea`, new Uint8Array(0)],
    [`'a"b\\c'::text`, 'a"b\\c'],
    [`'[1,5)'::int4range`, '[1,5)'],
    [`'6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'::uuid`, '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'],
    [`row(1, 'a')`, '(1,a)'],
  ])('%s', async (sql, value) => {
    expect(await got(sql)).toEqual(value);
  });

  test.each<[string, unknown]>([
    [`'{}'::int[]`, []],
    [`'{1,NULL,3}'::int[]`, [1, null, 3]],
    [
      `'{{1,2},{3,NULL}}'::int8[]`,
      [
        [1, 2],
        [3, null],
      ],
    ],
    [`'[0:2]={1,2,3}'::int[]`, [1, 2, 3]],
    [`'[1:1][-2:-1]={{1,2}}'::int[]`, [[1, 2]]],
    [
      `array['a"b', 'c\\d', 'NULL', null, '', '{x}', 'a,b', ' ']::text[]`,
      ['a"b', 'c\\d', 'NULL', null, '', '{x}', 'a,b', ' '],
    ],
    [`array[true, false, null]`, [true, false, null]],
    [`array['\\x00ff'::bytea, '\\x']`, [new Uint8Array([0, 255]), new Uint8Array(0)]],
    [`array['{"a": "x,\\"y\\""}'::jsonb, 'null']`, [{ a: 'x,"y"' }, null]],
    [`array['2026-11-21 10:00:00.1+00'::timestamptz, 'infinity']`, ['2026-11-21T10:00:00.1Z', 'infinity']],
    [`array[1.10::numeric, 'NaN']`, ['1.10', 'NaN']],
    [`array[box '((0,0),(1,1))', box '((2,2),(3,3))']`, ['(1,1),(0,0)', '(3,3),(2,2)']],
    [`'1 2'::int2vector`, '1 2'],
  ])('%s', async (sql, value) => {
    expect(await got(sql)).toEqual(value);
  });

  test('a text that looks like an array of another type is not taken for one', async () => {
    expect(await got(`'{1,2}'::text`)).toBe('{1,2}');
    expect(await got(`point '(1,2)'`)).toBe('(1,2)');
    expect(await got(`'name'::name`)).toBe('name');
  });
});

describe('what goes in', () => {
  test.each<[string, unknown, unknown]>([
    ['text', 'a\n"ü🎉', 'a\n"ü🎉'],
    ['text', '', ''],
    ['text', null, null],
    ['int8', 9223372036854775807n, 9223372036854775807n],
    ['numeric', 10n ** 40n, `${10n ** 40n}`],
    ['numeric', 1e21, '1000000000000000000000'],
    ['float8', 5e-324, 5e-324],
    ['float8', -0, -0],
    ['float8', Number.NaN, Number.NaN],
    ['float8', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['bool', false, false],
    ['timestamptz', new Date('2026-11-21T10:00:00.123Z'), '2026-11-21T10:00:00.123Z'],
    ['timestamp', new Date(0), '1970-01-01T00:00:00'],
    ['date', new Date('2026-11-21T23:59:59Z'), '2026-11-21'],
    ['timestamptz', new Date('+012026-11-21T10:00:00Z'), '12026-11-21T10:00:00Z'],
    ['timestamptz', new Date('-000043-03-15T10:00:00Z'), '0044-03-15 10:00:00+00 BC'],
    ['timestamptz', new Date('0000-03-15T10:00:00Z'), '0001-03-15 10:00:00+00 BC'],
    ['bytea', new Uint8Array([0, 127, 128, 255]), new Uint8Array([0, 127, 128, 255])],
    ['bytea', Buffer.from('ü'), new Uint8Array([0xc3, 0xbc])],
    ['jsonb', { a: [1, { b: null }], ['__proto__']: 'own' }, JSON.parse('{"a":[1,{"b":null}],"__proto__":"own"}')],
    ['jsonb', JSON.stringify([1, 'a']), [1, 'a']],
    ['int4[]', [], []],
    ['int4[]', [1, null, -3], [1, null, -3]],
    [
      'text[]',
      ['a"b', 'c\\d', 'NULL', null, '', '{x}', 'a,b', '\n'],
      ['a"b', 'c\\d', 'NULL', null, '', '{x}', 'a,b', '\n'],
    ],
    [
      'text[]',
      [
        ['a', 'b'],
        ['c', null],
      ],
      [
        ['a', 'b'],
        ['c', null],
      ],
    ],
    ['bool[]', [true, null], [true, null]],
    ['float8[]', [Number.NaN, 1.5, Number.NEGATIVE_INFINITY], [Number.NaN, 1.5, Number.NEGATIVE_INFINITY]],
    ['int8[]', [9223372036854775807n], [9223372036854775807n]],
    ['jsonb[]', [{ a: '"\\' }, { b: [1] }], [{ a: '"\\' }, { b: [1] }]],
    ['bytea[]', [new Uint8Array([0, 92, 34])], [new Uint8Array([0, 92, 34])]],
    ['timestamptz[]', [new Date(0)], ['1970-01-01T00:00:00Z']],
  ])('%s: what is given comes back as it should', async (type, given, value) => {
    expect(await got(`$1::${type}`, given as never)).toEqual(value);
  });

  test.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /params\[0\]: is undefined/],
    ['a function', () => 1, /params\[0\]: is of type function/],
    ['a symbol', Symbol('x'), /params\[0\]: is of type symbol/],
    ['an invalid date', new Date(Number.NaN), /params\[0\]: is not a valid date/],
    ['undefined inside of arrays', [1, [undefined]], /params\[0\]\[1\]\[0\]: is undefined/],
    ['a Map', new Map(), /params\[0\]: is no plain object/],
    ['a BigInt inside of JSON', { a: { b: 1n } }, /params\[0\]\/a\/b: is of type bigint/],
    ['NaN inside of JSON', { a: Number.NaN }, /params\[0\]\/a: is NaN/],
    ['bytes that are no Uint8Array', new Uint16Array(1), /params\[0\]: is a view of bytes/],
    ['half a surrogate pair', '\ud800', /params\[0\]: holds half a surrogate pair/],
    ['a text that is too long', 'x'.repeat(1_100_000), /longer than/],
    ['texts that are too long together', ['x'.repeat(600_000), 'x'.repeat(600_000)], /longer than/],
  ])('%s is refused, with its place', async (_what, value, message) => {
    await expect(got('$1', value as never)).rejects.toThrow(message);
  });

  test('an array that holds itself is refused', async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    await expect(got('$1', circle as never)).rejects.toThrow('dimensions');
  });

  test('text with U+0000 is refused by Postgres, in a statement by the room', async () => {
    await expect(got('$1::text', 'a\0b')).rejects.toMatchObject({ code: 'database_error', sqlstate: '22021' });
    await expect(database.query("select 'a\0b'")).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

describe('there and back', () => {
  const random = seeded(20261121);
  const pick = <T>(...from: readonly T[]): T => from[random.below(from.length)] as T;
  const text = (): string =>
    Array.from({ length: random.below(12) }, () =>
      pick('"', '\\', '{', '}', ',', 'NULL', ' ', '\n', "'", 'a', 'ü', '🎉', '\u0001', 'x', ';', '\\"'),
    ).join('');
  const int8 = (): bigint => BigInt.asIntN(64, random.bytes(8).readBigInt64LE() >> BigInt(random.below(64)));
  const json = (depth: number): unknown =>
    depth === 0 || random.below(3) === 0
      ? pick<unknown>(null, true, text(), random.below(2 ** 31), -0.5, 1e300)
      : pick<unknown>(
          Array.from({ length: random.below(4) }, () => json(depth - 1)),
          Object.fromEntries(Array.from({ length: random.below(4) }, () => [text(), json(depth - 1)])),
        );
  const nullable = <T>(value: T): T | null => (random.below(4) === 0 ? null : value);
  const list = <T>(make: () => T): (T | null)[] => Array.from({ length: random.below(6) }, () => nullable(make()));
  const narrow = (value: bigint | null): bigint | number | null =>
    value !== null && BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value;

  test('seeded values of every kind', async () => {
    for (let round = 0; round < 60; round += 1) {
      const big = int8();
      const bigs = list(int8);
      const texts = list(text);
      const matrix = Array.from({ length: 2 }, () => Array.from({ length: 3 }, () => nullable(text())));
      const bytes = new Uint8Array(random.bytes(random.below(40)));
      const float = random.bytes(8).readDoubleLE();
      const numeric = `${pick('', '-')}${big < 0n ? -big : big}.${random.below(1_000_000_000)}`;
      const document = { all: json(4) };
      const documents = Array.from({ length: random.below(3) }, () => ({ all: json(2) }));
      const micros = `2026-${pick('01', '12')}-${pick('01', '28')}T23:59:59.${pick('000001', '999999', '123456')}Z`;
      const row = await database.queryRow(
        `select $1::int8 as big, $2::int8[] as bigs, $3::text[] as texts, $4::text[] as matrix, $5::bytea as bytes,
          $6::float8 as float, $7::numeric as numeric, $8::jsonb as document, $9::jsonb[] as documents,
          $10::timestamptz as micros, $11::text as text`,
        [big, bigs, texts, matrix, bytes, float, numeric, document, documents, micros, texts[0] ?? null],
      );
      expect(row).toEqual({
        big: narrow(big),
        bigs: bigs.map(narrow),
        texts,
        matrix,
        bytes,
        float,
        numeric: numeric.replace(/^-0\.0$/, '0.0'),
        document,
        documents,
        micros,
        text: texts[0] ?? null,
      });
    }
  });

  test('a value that was read is a parameter as good as the first one', async () => {
    const sql = `select '0044-03-15 10:00:00+00 BC'::timestamptz as bc, '12026-11-21 10:00:00.5+00'::timestamptz as far,
      'infinity'::timestamptz as ever, '-1 mons +2 days -03:00:00.5'::interval as span, '24:00:00'::time as midnight,
      '10:00:00+05:30'::timetz as zoned, '12.340'::numeric as numeric, '[1,5)'::int4range as range`;
    const [first] = await database.query(sql);
    const again = await database.queryRow(
      `select $1::timestamptz as bc, $2::timestamptz as far, $3::timestamptz as ever, $4::interval as span, $5::time as midnight,
        $6::timetz as zoned, $7::numeric as numeric, $8::int4range as range`,
      Object.values(first as Record<string, string>),
    );
    expect<object | null>(again).toEqual(first as object);
  });
});
