import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createEventsBroker } from '../../sandbox-apis/events/broker.ts';
import { publish } from '../../src/events/publish.ts';
import { RegistrationSet } from '../../src/plugins/registrations.ts';
import { secretsOf } from '../../src/plugins/staged.ts';
import { createVault } from '../../src/secrets/vault.ts';
import { createStore } from '../../src/storage/store.ts';
import { ANY_JSON, SAMPLES } from '../broker/samples.ts';
import { type CoreSide, coreSide } from '../kit/core-side.ts';
import { type FakeGuest, fakeGuest, type Reply } from '../kit/fake-guest.ts';
import { openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

// Payloads that would change what all objects inherit (ADVERSARY 12), through every input of every room.

setDefaultTimeout(60_000);

const POLLUTION = '{"polluted":true,"toString":"polluted","isAdmin":true}';
/** As JSON text: as an object literal it would not be what it says. */
const POLLUTERS = [
  `{"__proto__":${POLLUTION}}`,
  `{"constructor":{"prototype":${POLLUTION}}}`,
  `{"a":{"__proto__":${POLLUTION},"b":[{"__proto__":{"__proto__":${POLLUTION}}}]}}`,
  `[{"__proto__":${POLLUTION}},{"constructor":{"prototype":${POLLUTION}}}]`,
  `{"prototype":${POLLUTION},"hasOwnProperty":1,"valueOf":null,"then":{}}`,
];
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', '__defineGetter__'];

/** What everything inherits from. */
const ROOTS = [Object, Array, Function, String, Number, Map, Set, Promise, Error, Date, RegExp].map(
  (root) => root.prototype as object,
);
const inherited = () => ROOTS.map((root) => Object.entries(Object.getOwnPropertyDescriptors(root)));
const BEFORE = inherited();

let database: TestDatabase;
let core: CoreSide;
let caller: FakeGuest;
let lastId = 0;

beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  const vault = createVault({ db, keys: await openTestKeys(db) });
  core = coreSide({ storage: { store: createStore(db) }, secrets: { secrets: secretsOf(vault, () => null) } });
  core.settle(1, {
    plugin: 'polluter',
    grants: [
      'network:example.com:443',
      'events:subscribe:user.created',
      ...NAMES.map((name) => `plugins:call:${name}`),
    ],
  });
  caller = fakeGuest(core.guests);
});
afterAll(async () => {
  await database?.drop();
});

async function call(name: string, input: string): Promise<Reply> {
  lastId += 1;
  const id = lastId;
  await core.answerer.onCall(caller.guest, {
    id,
    name: JSON.stringify(name),
    input: Buffer.from(input),
    oneway: false,
  });
  return caller.reply(id);
}

function expectUntouched(): void {
  expect(inherited()).toEqual(BEFORE);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(core.logged).toEqual([]);
}

/** The sample with one place in it replaced by JSON text. */
function replaced(sample: Record<string, unknown>, field: string, json: string): string {
  const rest = Object.entries(sample).filter(([key]) => key !== field);
  return `{${[...rest.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`), `${JSON.stringify(field)}:${json}`].join(',')}}`;
}

test.each(Object.keys(SAMPLES))('%s', async (name) => {
  const sample = SAMPLES[name] as Record<string, unknown>;
  const whole = JSON.stringify(sample);
  const inputs = [
    `{"__proto__":${whole}}`,
    `[${whole}]`,
    ...POLLUTERS,
    ...POLLUTERS.flatMap((json) => [...NAMES, ...Object.keys(sample)].map((field) => replaced(sample, field, json))),
    ...NAMES.flatMap((text) => Object.keys(sample).map((field) => replaced(sample, field, JSON.stringify(text)))),
  ];
  for (const input of inputs) {
    const { error } = await call(name, input);
    // Refused by its schema, or done as asked: never by a fault.
    expect({ input, code: error?.code }).not.toMatchObject({ code: 'internal' });
  }
  // What is not an input: the sample's members as what it inherits.
  if (Object.keys(sample).length > 0) expect((await call(name, inputs[0] as string)).error?.code).toBe('invalid_input');
  expectUntouched();
});

test('what a plugin means by any JSON comes back as it was, its odd names included', async () => {
  expect(ANY_JSON).toContain('storage.set/value');
  for (const [index, json] of POLLUTERS.entries()) {
    for (const key of [`key-${index}`, ...NAMES]) {
      expect((await call('storage.set', `{"key":${JSON.stringify(key)},"value":${json}}`)).error).toBeUndefined();
      const { value } = await call('storage.get', JSON.stringify({ key }));
      const entry = (value as { entry: { value: unknown } }).entry;
      // As text: an own `__proto__` is one key of several there.
      expect(JSON.parse(sorted(entry.value))).toEqual(JSON.parse(sorted(JSON.parse(json))));
    }
  }
  const { value } = await call('storage.list', '{"limit":100}');
  expect((value as { entries: { key: string }[] }).entries.map(({ key }) => key)).toEqual(
    expect.arrayContaining([...NAMES]),
  );
  expectUntouched();
});

test('an event carries it to the database and back as data', async () => {
  const { db } = database;
  const registrations = { add: () => 1, remove: () => undefined };
  const { emit } = createEventsBroker({ registrations, publish: (event) => publish(db, event) });
  const from = { plugin: 'polluter', version: '1', isolate: 1, grants: [], depth: 0 };
  for (const json of POLLUTERS) {
    const signal = new AbortController().signal;
    const none = (): never => {
      throw new Error('there is no stream');
    };
    const asks = { ...from, signal, sendStream: none, receiveStream: none };
    const { id } = (await emit(asks as never, { name: 'constructor', data: JSON.parse(json) })) as { id: string };
    const row = await db
      .selectFrom('events')
      .selectAll()
      .where('id', '=', id as never)
      .executeTakeFirstOrThrow();
    expect(JSON.parse(sorted(row.data))).toEqual(JSON.parse(sorted(JSON.parse(json))));
  }
  expectUntouched();
});

test('a route with parameters of such names answers, and gives them to nobody else', () => {
  const set = new RegistrationSet();
  const shared = { auth: 'public', permissions: [], rateLimit: null, validation: null, summary: null } as const;
  set.add({ kind: 'route', handler: 1, method: 'GET', path: '/a/:__proto__/:constructor', ...shared });
  const found = set.find('GET', '/a/polluted/polluted');
  expect(found?.store.registration.handler).toBe(1);
  expect(set.find('__proto__', '/a/b/c')).toBeNull();
  expect(set.find('constructor', '/a/b/c')).toBeNull();
  expectUntouched();
});

/** JSON with the names of each object in order: jsonb keeps no other. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${sorted((value as Record<string, unknown>)[key])}`).join(',')}}`;
}
