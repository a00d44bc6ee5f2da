import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import superjson from 'superjson';
import { installNpmPlugin, type NpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Packages that compute: schemas, dates, identifiers, collections, streams of values.

setDefaultTimeout(60_000);

let core: RunningCore;
beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

async function plugin(file: string, ...packages: string[]): Promise<NpmPlugin> {
  return installNpmPlugin(core, `npm-${file.slice(0, -3)}`, { packages, source: await pluginSource(file) });
}

test('zod parses, transforms, explains, and writes JSON Schema', async () => {
  const zod = await plugin('zod.ts', 'zod');
  const order = {
    id: '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b',
    mail: 'Ada@Example.com',
    events: [
      { kind: 'paid', at: '2026-11-21T09:00:00Z', total: { amount: '12.50', currency: 'EUR' } },
      { kind: 'refunded', at: '2026-11-22T09:00:00Z', reason: '  broken ' },
    ],
  };
  expect(await zod.ask('/check', order)).toEqual({
    order: {
      ...order,
      mail: 'ada@example.com',
      tags: [],
      open: false,
      events: [
        { ...order.events[0], total: { amount: 12.5, currency: 'EUR' } },
        { ...order.events[1], reason: 'broken' },
      ],
    },
  });
  const { issues } = await zod.ask('/check', { ...order, id: 'x', more: 1, events: [{ kind: 'lost' }] });
  expect(issues).toEqual([
    { code: 'invalid_format', path: 'id', message: 'Invalid UUID' },
    {
      code: 'invalid_union',
      path: 'events.0.kind',
      message: "Invalid discriminator value. Expected 'paid' | 'refunded'",
    },
    { code: 'unrecognized_keys', path: '', message: 'Unrecognized key: "more"' },
  ]);
  const refunded = await zod.ask('/check', { ...order, events: order.events.slice(1) });
  expect(refunded.issues).toEqual([{ code: 'custom', path: 'events', message: 'refunded without a payment' }]);
  expect(await zod.ask('/schema')).toEqual({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      amount: { type: 'number', exclusiveMinimum: 0 },
      currency: { type: 'string', enum: ['EUR', 'USD'] },
    },
    required: ['amount', 'currency'],
    additionalProperties: false,
  });
});

test('ajv compiles validators with new Function', async () => {
  const ajv = await plugin('ajv.ts', 'ajv');
  expect(await ajv.ask('/booking', { room: 'A12', note: 'by' })).toEqual({
    value: { room: 'A12', note: 'by', seats: 4 },
  });
  expect(await ajv.ask('/booking', { room: 'A1', seats: '7' })).toEqual({ value: { room: 'A1', seats: 7 } });
  const { errors } = await ajv.ask('/booking', { room: 'a', seats: 21, note: 'x'.repeat(11), x: 1 });
  expect(errors.sort()).toEqual([' additionalProperties', '/note maxLength', '/room pattern', '/seats maximum']);
  const tree = { value: 2, children: [{ value: 4, children: [{ value: 5 }] }, { value: 'x' }] };
  expect(await ajv.ask('/tree', tree)).toEqual({
    valid: false,
    errors: ['/children/0/children/0/value', '/children/1/value'],
  });
  expect(await ajv.ask('/tree', { value: 2, children: [] })).toEqual({ valid: true, errors: [] });
});

test('date-fns counts and words dates', async () => {
  const dates = await plugin('dates.ts', 'date-fns');
  expect(await dates.ask('/dates')).toEqual({
    endOfMonth: '2026-02-28',
    leap: '2024-02-29',
    businessDays: 6,
    weeks: ['2026-10-26', '2026-11-02', '2026-11-09', '2026-11-16'],
    german: 'Sonntag, 8. März 2026',
    distance: 'vor 2 Monaten',
    within: true,
    wrong: true,
  });
});

test('luxon knows time zones, their changes and other languages', async () => {
  const luxon = await plugin('luxon.ts', 'luxon');
  expect(await luxon.ask('/zones')).toEqual({
    overTheGap: '2026-03-29T03:30:00.000+02:00',
    dayOfTheGap: 23,
    kolkata: '2026-11-21T19:30:00.000+05:30',
    chatham: '2026-11-22T03:45:00.000+13:45',
    german: 'Samstag, 21. November 2026 15:00 MEZ',
    japanese: '2026年11月21日',
    relative: 'dentro de 3 horas',
    human: '1 day, 13 hours, 30 minutes',
    week: '2026-W47-6',
  });
  await expect(luxon.ask('/unknown')).rejects.toThrow('answers 500');
});

test('nanoid and uuid make identifiers of full strength', async () => {
  const ids = await plugin('ids.ts', 'nanoid', 'uuid');
  const { ids: made, pin } = await ids.ask('/nanoid');
  expect(new Set(made).size).toBe(2_000);
  expect(made.every((id: string) => /^[\w-]{21}$/.test(id))).toBe(true);
  // Each of the 64 letters is expected 656 times; a generator that misses one shows.
  expect(new Set(made.join('')).size).toBe(64);
  expect(pin).toMatch(/^\d{8}$/);

  const uuid = await ids.ask('/uuid');
  // RFC 9562: names in the DNS namespace.
  expect(uuid.v3).toBe('9125a8dc-52ee-365b-a5aa-81b0b3681cf6');
  expect(uuid.v5).toBe('fdda765f-fc57-5604-a269-52a7df8164ec');
  expect(new Set(uuid.v4).size).toBe(500);
  const form = (version: number) =>
    new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`);
  expect(uuid.v4.every((id: string) => form(4).test(id))).toBe(true);
  expect(uuid.v7.every((id: string) => form(7).test(id))).toBe(true);
  expect(uuid.v7.toSorted()).toEqual(uuid.v7);
  for (const id of uuid.v7) {
    const at = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
    expect(at).toBeGreaterThanOrEqual(uuid.between[0]);
    // Within one millisecond the counter may run over into the next.
    expect(at).toBeLessThanOrEqual(uuid.between[1] + 1);
  }
  expect([uuid.round, uuid.valid, uuid.versions]).toEqual([
    '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b',
    [true, false],
    [4, 7],
  ]);
});

test('lodash-es', async () => {
  const lodash = await plugin('lodash.ts', 'lodash-es');
  const [ada, grace, alan] = [
    { name: 'Ada', team: 'core', age: 36 },
    { name: 'Grace', team: 'core', age: 85 },
    { name: 'Alan', team: 'labs', age: 41 },
  ];
  expect(await lodash.ask('/lodash')).toEqual({
    groups: { core: [ada, grace], labs: [alan] },
    ordered: ['Alan', 'Ada', 'Grace'],
    chunks: [[1, 2], [3, 4], [5]],
    merged: { a: { b: 1, c: [3, 2], d: null } },
    polluted: false,
    text: 'Hi &lt;b&gt;! Hi Ada! ',
    same: true,
    seen: { runs: 1, value: 4 },
  });
});

test('immer, rxjs and superjson', async () => {
  const state = await plugin('state.ts', 'immer', 'rxjs', 'superjson');
  expect(await state.ask('/immer')).toEqual({
    todos: [
      { text: 'write', done: true },
      { text: 'test', done: true },
    ],
    seen: [
      ['a', 1],
      ['b', 2],
    ],
    patches: [
      { op: 'add', path: ['seen', 'b'], value: 2 },
      { op: 'replace', path: ['todos', 0, 'done'], value: true },
      { op: 'add', path: ['todos', 1], value: { text: 'test', done: true } },
    ],
    undone: [[{ text: 'write', done: false }], [['a', 1]]],
    shared: true,
    frozen: true,
    before: 1,
  });
  expect(await state.ask('/rxjs')).toEqual({
    flaky: 'done',
    tries: 3,
    sums: [1, 3, 6, 10],
    ticks: ['tick 0', 'tick 1', 'tick 2'],
    merged: [1, 2, 3],
  });
  const revived = superjson.deserialize<Record<string, unknown>>(await state.ask('/superjson'));
  const when = new Date('2026-11-21T09:00:00Z');
  expect(revived).toEqual({
    when,
    tags: new Set(['a']),
    counts: new Map([['x', 1n]]),
    none: undefined,
    url: new URL('https://a.example/b?c'),
    re: /a+/gi,
    nan: Number.NaN,
    again: when,
  });
  expect(await state.ask('/superjson', superjson.stringify({ at: when, ids: new Set([2n ** 70n]) }))).toEqual({
    year: 2026,
    isDate: true,
    ids: ['1180591620717411303424'],
  });
});
